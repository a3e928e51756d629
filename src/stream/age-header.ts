import { hkdfSync } from 'node:crypto';
import { Decrypter, Encrypter, type Stanza } from 'age-encryption';
import { Fault } from '../base/fault.ts';
import type { ByteReader } from './byte-reader.ts';
import type { Identity } from './identity.ts';

const versionLine = 'age-encryption.org/v1\n';
const nonceBytes = 16;
const tagBytes = 16;
// A stanza is about 100 bytes; whoever needs more recipients than fit in here has another problem.
const largestHeaderBytes = 64 * 1024;

export interface MadeHeader {
  header: Buffer;
  fileKey: Buffer;
}

/** A new file key, wrapped for each of `recipients`. Throws KeyInvalid when there is none, or one cannot be used. */
export async function makeHeader(recipients: readonly string[]): Promise<MadeHeader> {
  if (recipients.length === 0) throw new Fault('KeyInvalid', 'encryption is on, but there is no recipient');
  const encrypter = new Encrypter();
  let fileKey = Buffer.alloc(0);
  const capture = {
    wrapFileKey(key: Uint8Array): Stanza[] {
      fileKey = Buffer.from(key);
      return [];
    },
  };
  let file: Uint8Array;
  try {
    for (const recipient of recipients) encrypter.addRecipient(recipient);
    encrypter.addRecipient(capture);
    file = await encrypter.encrypt(new Uint8Array(0));
  } catch (cause) {
    throw new Fault('KeyInvalid', 'a recipient cannot be encrypted to', { cause });
  }
  // The library gives an empty file: header, nonce, and the tag of the one empty chunk. Only the header is kept.
  return { header: Buffer.from(file.subarray(0, file.length - nonceBytes - tagBytes)), fileKey };
}

/**
 * Reads the header of an age file and gives the file key in it. Throws WrongKey when no identity opens it, FormatNewer
 * for another version of the format, DataCorrupt for anything that is no header.
 */
export async function openHeader(reader: ByteReader, identities: readonly Identity[]): Promise<Uint8Array> {
  const header = reader.take(await findEnd(reader));
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity.reveal());
  let noneFits = false;
  // Asked last, and only when nobody before had an answer.
  decrypter.addIdentity({
    unwrapFileKey() {
      noneFits = true;
      return null;
    },
  });
  try {
    return await decrypter.decryptHeader(header);
  } catch (cause) {
    if (noneFits) {
      throw new Fault('WrongKey', 'none of the given identities opens the age file', {
        hint: `Given: ${identities.map((identity) => identity.recipient).join(', ')}. One of the recipients that the manifest names is needed.`,
      });
    }
    throw new Fault('DataCorrupt', 'the age header is damaged', { cause });
  }
}

/** The key of the payload, from the file key and the nonce in front of it. */
export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32));
}

export async function takeNonce(reader: ByteReader): Promise<Buffer> {
  if (!(await reader.hold(nonceBytes))) throw new Fault('DataCorrupt', 'the age file ends inside its nonce');
  return reader.take(nonceBytes);
}

/** Length of the header. Its last line is the first that begins with three hyphens: in base64 there is none. */
async function findEnd(reader: ByteReader): Promise<number> {
  if (!(await reader.hold(versionLine.length))) throw new Fault('DataCorrupt', 'the age file ends inside its header');
  const begin = reader.held.toString('latin1', 0, versionLine.length);
  if (begin !== versionLine) throw notV1(begin);
  let lineAt = versionLine.length;
  for (;;) {
    const lineEnd = reader.held.indexOf('\n', lineAt);
    if (lineEnd !== -1) {
      if (reader.held.toString('latin1', lineAt, lineAt + 3) === '---') return lineEnd + 1;
      lineAt = lineEnd + 1;
      continue;
    }
    if (reader.held.length > largestHeaderBytes) throw new Fault('DataCorrupt', 'the age header has no end');
    if (!(await reader.hold(reader.held.length + 1))) {
      throw new Fault('DataCorrupt', 'the age file ends inside its header');
    }
  }
}

function notV1(begin: string): Fault {
  if (begin.startsWith('-----BEGIN AGE'))
    return new Fault('DataCorrupt', 'the age file is armored, Backstay never does that');
  const version = /^age-encryption\.org\/(v[0-9]+)/.exec(begin)?.[1];
  if (version !== undefined && version !== 'v1') {
    return new Fault('FormatNewer', `the age file has format ${version}, this Backstay knows v1`);
  }
  return new Fault('DataCorrupt', 'not an age file: it does not begin with age-encryption.org/v1');
}
