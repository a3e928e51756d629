import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import {
  fingerprint,
  generateIdentity,
  Identity,
  parseIdentities,
  parseRecipient,
} from '../../../src/stream/identity.ts';

const secret = 'AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0';
const recipient = 'age1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47ryef';

describe('an identity', () => {
  it('has the recipient that age-keygen -y gives', async () => {
    const identity = await Identity.parse(secret);
    expect(identity.reveal()).toBe(secret);
    expect(identity.recipient).toBe(recipient);
  });

  it('never shows the secret when it is printed', async () => {
    const identity = await generateIdentity();
    const shown = `${identity} ${String(identity)} ${inspect(identity)} ${JSON.stringify({ identity })}`;
    expect(shown).toContain(identity.recipient);
    expect(shown).not.toContain('AGE-SECRET-KEY');
  });

  it.each([
    ['a recipient', recipient, 'a recipient (age1'],
    ['a damaged identity', secret.replace('EGT', 'EGG'), 'mistyped'],
    ['a cut identity', secret.slice(0, 40), 'mistyped'],
    ['an identity in small letters', secret.toLowerCase(), 'mistyped'],
    ['a post-quantum identity', secret.replace('KEY-1', 'KEY-PQ-1'), 'only X25519'],
    ['nothing', '', 'not an age identity'],
  ])('is not %s, and the error holds no secret', async (_what, text, message) => {
    const fault = await Identity.parse(text, 'secret x, key y').catch((thrown: unknown) => thrown);
    expect(fault).toMatchObject({
      reason: 'KeyInvalid',
      where: 'secret x, key y',
      message: expect.stringContaining(message),
    });
    expect(inspect(fault, { depth: 9 }).toLowerCase()).not.toContain(secret.slice(16, 30).toLowerCase());
  });

  it('is found in the file that age-keygen writes', async () => {
    const file = `# created: 2026-01-02T03:04:05Z\n# public key: ${recipient}\n${secret}\n\n`;
    const identities = await parseIdentities(file);
    expect(identities.map((identity) => identity.reveal())).toEqual([secret]);
  });

  it('is missed with the line that is wrong, or when there is none', async () => {
    await expect(parseIdentities(`# x\n${recipient}\n`, 'drill.key')).rejects.toMatchObject({
      reason: 'KeyInvalid',
      where: 'drill.key, line 2',
    });
    await expect(parseIdentities('# only a comment\n', 'drill.key')).rejects.toMatchObject({
      reason: 'KeyInvalid',
      where: 'drill.key',
    });
  });
});

describe('a recipient', () => {
  it('comes back without the space around it', () => {
    expect(parseRecipient(` ${recipient}\n`)).toBe(recipient);
  });

  it.each([
    ['an identity', secret, 'an identity (the secret half)'],
    ['an identity in small letters', secret.toLowerCase(), 'an identity (the secret half)'],
    ['an SSH key', 'ssh-ed25519 AAAAC3Nza', 'not an age recipient'],
    ['one in capital letters', recipient.toUpperCase(), 'not an age recipient'],
    ['mistyped', recipient.replace('xmww', 'xmwx'), 'mistyped'],
    ['cut', recipient.slice(0, 30), 'mistyped'],
    ['a post-quantum one', `age1pq1${recipient.slice(5)}`, 'only X25519'],
    ["a plugin's", `age1yubikey1${recipient.slice(5)}`, 'only X25519'],
    ['nothing', '', 'not an age recipient'],
  ])('is not %s', (_what, text, message) => {
    const parse = () => parseRecipient(text, 'recipients[0]');
    expect(parse).toThrow(expect.objectContaining({ reason: 'KeyInvalid', where: 'recipients[0]' }));
    expect(parse).toThrow(message);
    expect(parse).not.toThrow(/EGTZVFF/i);
  });

  it('has a fingerprint that sha256sum gives', () => {
    // printf %s age1xmwwc... | sha256sum | cut -c1-16
    expect(fingerprint(recipient)).toBe('9e9cf52b19daa549');
  });
});
