import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import type { Codec } from '../../../src/stream/codec.ts';
import { codecFor } from '../../../src/stream/compression.ts';
import { bytesOf, readUntilError, rows } from './bytes-of.ts';

async function* unpack(codec: Codec, stored: Buffer, chunkBytes?: number): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const frame of codec.split(bytesOf(stored, chunkBytes))) yield codec.decompress(frame);
}

async function framesOf(codec: Codec, pieces: Buffer[]): Promise<Buffer> {
  const frames: Uint8Array[] = [];
  for (const piece of pieces) frames.push(await codec.compress(piece));
  return Buffer.concat(frames);
}

describe.each(['Zstd', 'Gzip'] as const)('%s frames', (algorithm) => {
  const codec = codecFor({ algorithm });
  const one = rows(3000, 1);
  const two = rows(2000, 2);

  it('come back joined, two of them', async () => {
    const outcome = await readUntilError(unpack(codec, await framesOf(codec, [one, two])));
    expect(outcome).toEqual({ bytes: Buffer.concat([one, two]), error: undefined });
  });

  it('come back joined, a thousand of them', async () => {
    const pieces = Array.from({ length: 1000 }, (_, index) => rows(10 + index, index));
    const outcome = await readUntilError(unpack(codec, await framesOf(codec, pieces)));
    expect(outcome).toEqual({ bytes: Buffer.concat(pieces), error: undefined });
  });

  it('come back from a piece of 4 MiB that cannot be compressed', async () => {
    const noise = Buffer.alloc(4 * 1024 * 1024);
    let state = 1;
    for (let at = 0; at < noise.length; at += 4) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      noise.writeUInt32LE((state ^ (state >>> 13)) >>> 0, at);
    }
    const outcome = await readUntilError(unpack(codec, await framesOf(codec, [noise, one])));
    expect(outcome.error).toBeUndefined();
    expect(outcome.bytes.equals(Buffer.concat([noise, one]))).toBe(true);
  });

  it('may be none', async () => {
    expect(await readUntilError(unpack(codec, Buffer.alloc(0)))).toEqual({ bytes: Buffer.alloc(0), error: undefined });
  });

  it('may be empty', async () => {
    const stored = await framesOf(codec, [Buffer.alloc(0), one, Buffer.alloc(0)]);
    expect(await readUntilError(unpack(codec, stored))).toEqual({ bytes: one, error: undefined });
  });

  it('come back whatever the size of the chunks, 1 to 64', async () => {
    const stored = await framesOf(codec, [one, Buffer.alloc(0), two]);
    for (let chunkBytes = 1; chunkBytes <= 64; chunkBytes += 1) {
      const outcome = await readUntilError(unpack(codec, stored, chunkBytes));
      expect(outcome).toEqual({ bytes: Buffer.concat([one, two]), error: undefined });
    }
  });

  it('cut at any of the last 64 bytes are refused, and nothing of the cut frame comes out', async () => {
    const stored = await framesOf(codec, [one, two]);
    for (let cut = 1; cut <= 64; cut += 1) {
      const outcome = await readUntilError(unpack(codec, stored.subarray(0, stored.length - cut)));
      expect(outcome.error).toMatchObject({ reason: 'DataCorrupt', message: expect.stringContaining('is cut off') });
      expect(outcome.bytes).toEqual(one);
    }
  });

  it('cut at a border look whole: only the length tells', async () => {
    const first = await framesOf(codec, [one]);
    expect(await readUntilError(unpack(codec, first))).toEqual({ bytes: one, error: undefined });
  });

  it.each([
    ['zeros', Buffer.alloc(40)],
    ['text', Buffer.from('this is no frame, only text that somebody left behind the last one')],
    ['a single byte', Buffer.from([7])],
    ['a magic number alone', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
  ])('with %s behind them are refused', async (_what, garbage) => {
    const stored = Buffer.concat([await framesOf(codec, [one]), garbage]);
    const outcome = await readUntilError(unpack(codec, stored));
    expect(outcome.error).toMatchObject({ reason: 'DataCorrupt', message: expect.stringContaining('frame 2 at byte') });
    expect(outcome.bytes).toEqual(one);
  });

  it('with any one bit flipped give an error or the same bytes, never others', async () => {
    const stored = await framesOf(codec, [rows(300)]);
    for (let bit = 0; bit < stored.length * 8; bit += 1) {
      const flipped = Buffer.from(stored);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const outcome = await readUntilError(unpack(codec, flipped));
      if (outcome.error === undefined) expect(outcome.bytes).toEqual(rows(300));
      else expect(outcome.error).toMatchObject({ reason: 'DataCorrupt' });
    }
  });
});

describe('a Zstandard frame', () => {
  const codec = codecFor({ algorithm: 'Zstd' });
  const refusal = async (stored: Buffer): Promise<unknown> => (await readUntilError(unpack(codec, stored))).error;
  const frame = (descriptor: number, rest: number[]): Buffer =>
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, descriptor, ...rest]);

  it('that is skippable is refused', async () => {
    const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2]);
    expect(await refusal(skippable)).toMatchObject({
      reason: 'DataCorrupt',
      message: expect.stringContaining('skippable'),
    });
  });

  it('without a checksum is refused', async () => {
    expect(await refusal(zstdCompressSync(rows(100)))).toMatchObject({
      message: expect.stringContaining('no checksum'),
    });
  });

  it('that does not say its length is refused', async () => {
    const params = { [constants.ZSTD_c_checksumFlag]: 1, [constants.ZSTD_c_contentSizeFlag]: 0 };
    expect(await refusal(zstdCompressSync(rows(100), { params }))).toMatchObject({
      message: expect.stringContaining('how long its content is'),
    });
  });

  it('that asks for more memory than a frame may have is refused before any is given', async () => {
    expect(await refusal(frame(0xe4, [0, 0, 0, 0, 0, 1, 0, 0, 0]))).toMatchObject({
      message: expect.stringContaining('too much'),
    });
  });

  it('that needs a dictionary is refused', async () => {
    expect(await refusal(frame(0x25, [9, 10]))).toMatchObject({ message: expect.stringContaining('dictionary') });
  });

  it('that has a block of a reserved type, or a too large one, is refused', async () => {
    expect(await refusal(frame(0x24, [10, 0x07, 0, 0, 0]))).toMatchObject({
      message: expect.stringContaining('reserved'),
    });
    expect(await refusal(frame(0x24, [10, 0x01, 0, 0x20, 0]))).toMatchObject({
      message: expect.stringContaining('large'),
    });
  });

  it('that goes on for ever is refused', async () => {
    // Empty blocks, none the last.
    const endless = Buffer.alloc(1024 * 1024);
    frame(0x24, [10]).copy(endless);
    expect(await refusal(endless)).toMatchObject({ message: expect.stringContaining('too many blocks') });
    // The same with blocks of 128 KiB.
    const large = Buffer.alloc(66 * 1024 * 1024);
    frame(0x24, [10]).copy(large);
    for (let at = 6; at < large.length - 3; at += 131_075) large.writeUIntLE(131_072 << 3, at, 3);
    expect(await refusal(large)).toMatchObject({ message: expect.stringContaining('larger than any frame') });
  });

  it('that says another length than it holds is refused', async () => {
    const stored = Buffer.from(await codec.compress(Buffer.from('0123456789')));
    for (const length of [9, 11]) {
      stored[5] = length;
      expect(await refusal(stored)).toMatchObject({ reason: 'DataCorrupt' });
    }
  });
});

describe('a gzip member', () => {
  const codec = codecFor({ algorithm: 'Gzip' });

  it('of another program is refused, for it does not say where it ends', async () => {
    const outcome = await readUntilError(unpack(codec, gzipSync(rows(100))));
    expect(outcome.error).toMatchObject({ reason: 'DataCorrupt', message: expect.stringContaining('gzip member') });
  });

  it('that says another length than it has is refused', async () => {
    const stored = Buffer.concat([await codec.compress(rows(500)), await codec.compress(rows(500, 2))]);
    for (const change of [-1, 1, 40]) {
      const wrong = Buffer.from(stored);
      wrong.writeUInt32LE(wrong.readUInt32LE(16) + change, 16);
      const outcome = await readUntilError(unpack(codec, wrong));
      expect(outcome.error).toMatchObject({ reason: 'DataCorrupt' });
    }
  });

  it('that is shorter than its own header, or claims more content than a frame may have, is refused', async () => {
    const short = Buffer.from(await codec.compress(rows(500)));
    short.writeUInt32LE(10, 16);
    const shortOutcome = await readUntilError(unpack(codec, short));
    expect(shortOutcome.error).toMatchObject({ message: expect.stringContaining('only 10 bytes long') });
    const huge = Buffer.from(await codec.compress(rows(500)));
    huge.writeUInt32LE(0xffff_ffff, huge.length - 4);
    const hugeOutcome = await readUntilError(unpack(codec, huge));
    expect(hugeOutcome.error).toMatchObject({ message: expect.stringContaining('too much') });
  });

  it('that claims garbage behind it as its own is refused, although zlib would ignore it', async () => {
    const member = Buffer.from(await codec.compress(rows(500)));
    member.writeUInt32LE(member.length + 8, 16);
    const garbage = Buffer.from([0, 0, 0, 0, 0xe8, 3, 0, 0]);
    const outcome = await readUntilError(unpack(codec, Buffer.concat([member, garbage])));
    expect(outcome.error).toMatchObject({ reason: 'DataCorrupt', message: expect.stringContaining('instead of 1000') });
    expect(outcome.bytes).toHaveLength(0);
  });
});
