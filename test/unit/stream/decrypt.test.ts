import { describe, expect, it } from '@jest/globals';
import { decrypt } from '../../../src/stream/decrypt.ts';
import { generateIdentity } from '../../../src/stream/identity.ts';
import { bytesOf, readUntilError } from './bytes-of.ts';

describe('a file that is no age file of this version', () => {
  const line = '-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc\n';
  it.each([
    ['of version 2', 'age-encryption.org/v2\n-> X25519 abc\n', 'FormatNewer', 'format v2'],
    ['of version 12', 'age-encryption.org/v12\n-> X25519 abc\n', 'FormatNewer', 'format v12'],
    ['armored', '-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n', 'DataCorrupt', 'armored'],
    ['a dump in clear', 'PGDMP and then the rest of the dump', 'DataCorrupt', 'not an age file'],
    ['shorter than its first line', 'age-encry', 'DataCorrupt', 'ends inside its header'],
    ['without an end of its header', `age-encryption.org/v1\n${line.repeat(2000)}`, 'DataCorrupt', 'has no end'],
  ])('is refused by name: %s', async (_what, text, reason, message) => {
    const outcome = await readUntilError(decrypt(bytesOf(Buffer.from(text), 4096), [await generateIdentity()]));
    expect(outcome.error).toMatchObject({ reason, message: expect.stringContaining(message) });
    expect(outcome.bytes).toHaveLength(0);
  });
});
