import { createHash } from 'node:crypto';
import { Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { Fault } from '../base/fault.ts';

/**
 * The secret half of an age key. The secret can only be had by `reveal()`: printing, logging or serializing an
 * Identity shows the recipient.
 */
export class Identity {
  /** The public half, `age1...`. */
  readonly recipient: string;
  readonly #secret: string;

  private constructor(recipient: string, secret: string) {
    this.recipient = recipient;
    this.#secret = secret;
  }

  /**
   * Throws KeyInvalid, whose message never holds the text: even a damaged identity is nearly a secret.
   * `where` names the place the text comes from.
   */
  static async parse(text: string, where?: string): Promise<Identity> {
    const details = where === undefined ? {} : { where };
    if (/^age1/i.test(text)) {
      throw new Fault('KeyInvalid', 'a recipient (age1..., the public half) stands where an identity belongs', {
        ...details,
        hint: 'Give the line that begins with AGE-SECRET-KEY-1.',
      });
    }
    if (text.startsWith('AGE-SECRET-KEY-PQ-1') || text.startsWith('AGE-PLUGIN-')) {
      throw new Fault('KeyInvalid', 'only X25519 identities (AGE-SECRET-KEY-1...) are supported', details);
    }
    try {
      return new Identity(await identityToRecipient(text), text);
    } catch {
      // The library's error is left behind: bech32 errors quote what they could not read.
      throw new Fault('KeyInvalid', 'not an age identity, or mistyped: its checksum does not fit', details);
    }
  }

  /** `AGE-SECRET-KEY-1...`: for the age library and for the file a user keeps, nothing else. */
  reveal(): string {
    return this.#secret;
  }

  toString(): string {
    return `Identity(${this.recipient})`;
  }
}

/** A fresh X25519 identity. */
export async function generateIdentity(): Promise<Identity> {
  return Identity.parse(await generateX25519Identity());
}

/**
 * The identities of a key file as `age-keygen` writes it: one a line, empty lines and lines with # left out. Throws
 * KeyInvalid with the line number, also when there is none.
 */
export async function parseIdentities(text: string, where = 'identity file'): Promise<Identity[]> {
  const identities: Identity[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const word = line.trim();
    if (word !== '' && !word.startsWith('#'))
      identities.push(await Identity.parse(word, `${where}, line ${index + 1}`));
  }
  if (identities.length === 0) {
    throw new Fault('KeyInvalid', 'no identity in it: a line with AGE-SECRET-KEY-1... is missing', { where });
  }
  return identities;
}

/** Gives the recipient without the space around it. Throws KeyInvalid, whose message never holds an identity. */
export function parseRecipient(text: string, where?: string): string {
  const details = where === undefined ? {} : { where };
  const recipient = text.trim();
  if (/age-(secret-key|plugin)-/i.test(recipient)) {
    throw new Fault('KeyInvalid', 'an identity (the secret half) stands where a recipient (age1...) belongs', {
      ...details,
      hint: 'Give the public half; the secret one has now been where others may read it: make a new pair.',
    });
  }
  if (!/^age1[a-z0-9]+$/.test(recipient)) {
    throw new Fault('KeyInvalid', 'not an age recipient: it must be age1 and then small letters and digits', details);
  }
  if (/^age1(pq|tag|tagpq)1/.test(recipient) || recipient.lastIndexOf('1') > 3) {
    throw new Fault('KeyInvalid', `only X25519 recipients are supported, not ${recipient.slice(0, 12)}...`, details);
  }
  try {
    new Encrypter().addRecipient(recipient);
  } catch (cause) {
    throw new Fault('KeyInvalid', `${recipient} is mistyped: its checksum does not fit`, { ...details, cause });
  }
  return recipient;
}

/**
 * Names a recipient in a manifest: the first 16 hexadecimal digits of the SHA-256 of its text.
 * By hand: `printf %s age1... | sha256sum | cut -c1-16`.
 */
export function fingerprint(recipient: string): string {
  return createHash('sha256').update(recipient).digest('hex').slice(0, 16);
}
