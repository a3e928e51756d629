import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { decrypt } from '../../../src/stream/decrypt.ts';
import { Identity } from '../../../src/stream/identity.ts';
import { bytesOf, readUntilError } from './bytes-of.ts';

const folder = new URL('../../fixtures/age/vectors/', import.meta.url);

// What the vectors call the outcome, and the reason that we give for it.
const reasonOf: Record<string, string[]> = {
  'no match': ['WrongKey'],
  'HMAC failure': ['DataCorrupt'],
  'header failure': ['DataCorrupt', 'FormatNewer'],
  'payload failure': ['DataCorrupt'],
};

interface Vector {
  expected: string;
  payloadSha256: string | undefined;
  identities: string[];
  file: Buffer;
}

function load(name: string): Vector {
  const raw = readFileSync(new URL(name, folder));
  const headEnd = raw.indexOf('\n\n');
  const fields = raw
    .toString('latin1', 0, headEnd)
    .split('\n')
    .map((line) => line.split(': ') as [string, string]);
  const valuesOf = (key: string) => fields.filter(([found]) => found === key).map(([, value]) => value);
  const body = raw.subarray(headEnd + 2);
  return {
    expected: valuesOf('expect')[0]!,
    payloadSha256: valuesOf('payload')[0],
    identities: valuesOf('identity'),
    file: valuesOf('compressed')[0] === 'zlib' ? inflateSync(body) : body,
  };
}

describe('the test vectors of the age format', () => {
  const names = readdirSync(folder);

  it('are all there', () => {
    expect(names).toHaveLength(67);
  });

  it.each(names)('%s', async (name) => {
    const vector = load(name);
    const identities = await Promise.all(vector.identities.map((text) => Identity.parse(text)));
    for (const chunkBytes of [1009, vector.file.length + 1]) {
      const outcome = await readUntilError(decrypt(bytesOf(vector.file, chunkBytes), identities));
      if (vector.expected === 'success') expect(outcome.error).toBeUndefined();
      else expect(reasonOf[vector.expected]).toContain((outcome.error as { reason?: string }).reason);
      // Holds for failures as well: exactly the authenticated chunks came out, and not a byte more.
      const sha256 = createHash('sha256').update(outcome.bytes).digest('hex');
      if (vector.payloadSha256 !== undefined) expect(sha256).toBe(vector.payloadSha256);
      else expect(outcome.bytes).toHaveLength(0);
    }
  });
});
