import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Digest, Digester, expectDigest } from '../../../src/stream/digest.ts';
import { bytesOf, readUntilError, rows } from './bytes-of.ts';

function digestOf(content: Uint8Array): Digest {
  const digester = new Digester();
  digester.add(content);
  return digester.end();
}

describe('a digest', () => {
  it('is what sha256sum prints', () => {
    expect(digestOf(Buffer.from('abc'))).toEqual({
      bytes: 3,
      sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    });
  });

  it('lets the right bytes pass, however they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 1, max: 80 }),
        async (content, chunkBytes) => {
          const passed = await readUntilError(expectDigest(bytesOf(content, chunkBytes), digestOf(content), 'object'));
          expect(passed).toEqual({ bytes: Buffer.from(content), error: undefined });
        },
      ),
    );
  });

  const content = rows(1000);
  it.each([
    [
      'one byte is another',
      Buffer.concat([content.subarray(0, 500), Buffer.from('~'), content.subarray(501)]),
      'SHA-256',
    ],
    ['the last byte is missing', content.subarray(0, 999), 'has 999 bytes, 1000 were written'],
    ['everything is missing', Buffer.alloc(0), 'has 0 bytes'],
    ['a byte follows', Buffer.concat([content, Buffer.from('~')]), 'longer than the 1000 bytes'],
  ])('never lets the end of a stream pass when %s', async (_what, damaged, message) => {
    const outcome = await readUntilError(expectDigest(bytesOf(damaged, 100), digestOf(content), 'object'));
    expect(outcome.error).toMatchObject({ reason: 'DataCorrupt', message: expect.stringContaining(message) });
    expect(outcome.bytes.length).toBeLessThanOrEqual(900);
  });
});
