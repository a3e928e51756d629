import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { gather } from '../../../src/stream/gather.ts';
import { bytesOf, readAll, rows } from './bytes-of.ts';

async function piecesOf(pieces: AsyncIterable<Uint8Array>): Promise<number[]> {
  const lengths: number[] = [];
  for await (const piece of pieces) lengths.push(piece.length);
  return lengths;
}

describe('gather', () => {
  it('gives pieces of one length and the rest, and loses nothing', async () => {
    const sizes = fc.integer({ min: 1, max: 50 });
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 500 }), sizes, sizes, async (bytes, chunkBytes, pieceBytes) => {
        const content = rows(bytes);
        const pieces: Uint8Array[] = [];
        for await (const piece of gather(bytesOf(content, chunkBytes), pieceBytes, 'Free')) pieces.push(piece);
        expect(Buffer.concat(pieces)).toEqual(content);
        expect(pieces.slice(0, -1).every((piece) => piece.length === pieceBytes)).toBe(true);
        expect(pieces).toHaveLength(Math.max(1, Math.ceil(bytes / pieceBytes)));
      }),
    );
  });

  it('gives one empty piece for an empty source', async () => {
    expect(await piecesOf(gather(bytesOf(Buffer.alloc(0)), 10, 'Keep'))).toEqual([0]);
  });

  it('leaves the memory of others alone', async () => {
    const content = Buffer.alloc(100_000, 'x');
    const shared = [content.subarray(0, 50_000), content.subarray(50_000)];
    expect(await readAll(gather(twice(shared), 1000, 'Free'))).toHaveLength(200_000);
    expect(await readAll(gather(twice([content]), 1000, 'Keep'))).toHaveLength(200_000);
    expect(content.equals(Buffer.alloc(100_000, 'x'))).toBe(true);
  });

  it('frees the chunks that are its own, and never takes a freed one for an empty one', async () => {
    const content = Buffer.alloc(100_000, 'x');
    await expect(readAll(gather(twice([content]), 1000, 'Free'))).rejects.toThrow('the same memory over twice');
    expect(content.buffer.byteLength).toBe(0);
  });
});

async function* twice(chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
  yield* chunks;
}
