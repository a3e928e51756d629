import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { codecFor } from '../../../src/stream/compression.ts';
import { decrypt } from '../../../src/stream/decrypt.ts';
import { encode } from '../../../src/stream/encode.ts';
import { generateIdentity, type Identity, parseIdentities } from '../../../src/stream/identity.ts';
import { bytesOf, readAll, rows } from '../../unit/stream/bytes-of.ts';

// What Backstay writes must be readable by hand when Backstay is gone.
const mib = 1024 * 1024;

function shell(directory: string, script: string): Buffer {
  const run = spawnSync('bash', ['-euo', 'pipefail', '-c', script], { cwd: directory, maxBuffer: 256 * mib });
  if (run.status !== 0) throw new Error(`${script}: ${run.stderr}`);
  return run.stdout;
}

describe('the plain tools', () => {
  let directory: string;
  let identity: Identity;
  const content = rows(26 * mib);

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'backstay-interop-'));
    identity = await generateIdentity();
    writeFileSync(join(directory, 'key'), `${identity.reveal()}\n`, { mode: 0o600 });
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  async function writeObjects(prefix: string, algorithm: 'Zstd' | 'Gzip', source = content): Promise<number> {
    const options = {
      compression: { algorithm },
      encryption: { algorithm: 'Age', recipients: [identity.recipient] },
      objectBytes: mib,
    } as const;
    let count = 0;
    for await (const object of encode(bytesOf(source), options)) {
      writeFileSync(join(directory, `${prefix}-${String(count).padStart(4, '0')}`), await readAll(object.bytes));
      count += 1;
    }
    return count;
  }

  it('read the objects of a stream by hand: age, then zstd over all of them', async () => {
    expect(await writeObjects('zstd', 'Zstd')).toBeGreaterThan(2);
    const restored = shell(directory, 'for f in zstd-*; do age -d -i key "$f"; done | zstd -dc');
    expect(restored.equals(content)).toBe(true);
  });

  it('read the objects of a stream by hand: age, then gzip over all of them', async () => {
    expect(await writeObjects('gzip', 'Gzip')).toBeGreaterThan(2);
    const restored = shell(directory, 'for f in gzip-*; do age -d -i key "$f"; done | gzip -dc');
    expect(restored.equals(content)).toBe(true);
  });

  it.each(['Zstd', 'Gzip'] as const)('read an empty stream by hand: %s', async (algorithm) => {
    await writeObjects(`empty-${algorithm}`, algorithm, Buffer.alloc(0));
    const restored = shell(directory, `age -d -i key empty-${algorithm}-0000 | ${algorithm.toLowerCase()} -dc`);
    expect(restored).toHaveLength(0);
  });

  it.each([0, 1, 65_535, 65_536, 65_537, 131_072, 300_000])(
    'make age files that Backstay opens: %i bytes',
    async (bytes) => {
      writeFileSync(join(directory, 'plain'), content.subarray(0, bytes));
      shell(directory, `age -r ${identity.recipient} -o sealed-${bytes} plain`);
      const opened = await readAll(
        decrypt(bytesOf(readFileSync(join(directory, `sealed-${bytes}`)), 1000), [identity]),
      );
      expect(opened.equals(content.subarray(0, bytes))).toBe(true);
    },
  );

  it('make key files that Backstay reads', async () => {
    const recipient = shell(directory, 'age-keygen -o made 2>/dev/null; age-keygen -y made').toString().trim();
    const [made] = await parseIdentities(readFileSync(join(directory, 'made'), 'utf8'));
    expect(made?.recipient).toBe(recipient);
  });

  it('make Zstandard files with a length, which Backstay reads', async () => {
    writeFileSync(join(directory, 'plain'), content.subarray(0, 5 * mib));
    const stored = shell(
      directory,
      'zstd -q -f plain -o plain.zst; zstd -q -f plain -o again.zst; cat plain.zst again.zst',
    );
    const codec = codecFor({ algorithm: 'Zstd' });
    const pieces: Uint8Array[] = [];
    for await (const frame of codec.split(bytesOf(stored))) pieces.push(await codec.decompress(frame));
    expect(
      Buffer.concat(pieces).equals(Buffer.concat([content.subarray(0, 5 * mib), content.subarray(0, 5 * mib)])),
    ).toBe(true);
  });
});
