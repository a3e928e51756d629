import type { Bytes } from './bytes.ts';

/**
 * The same bytes in pieces of exactly `pieceBytes`; the last one is what remains. An empty source yields one empty
 * piece, so that there is always a last one. Pieces that lie whole in a chunk are not copied.
 */
export async function* gather(source: Bytes, pieceBytes: number): AsyncGenerator<Buffer, void, undefined> {
  let piece: Buffer | undefined;
  let filled = 0;
  let pieces = 0;
  for await (const chunk of source) {
    let from = 0;
    while (from < chunk.length) {
      if (filled === 0 && chunk.length - from >= pieceBytes) {
        pieces += 1;
        yield Buffer.from(chunk.buffer, chunk.byteOffset + from, pieceBytes);
        from += pieceBytes;
        continue;
      }
      piece ??= Buffer.allocUnsafeSlow(pieceBytes);
      const count = Math.min(pieceBytes - filled, chunk.length - from);
      piece.set(chunk.subarray(from, from + count), filled);
      filled += count;
      from += count;
      if (filled === pieceBytes) {
        const whole = piece;
        piece = undefined;
        filled = 0;
        pieces += 1;
        yield whole;
      }
    }
  }
  if (filled > 0 || pieces === 0) yield piece === undefined ? Buffer.alloc(0) : piece.subarray(0, filled);
}
