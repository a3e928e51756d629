import type { Bytes } from './bytes.ts';
import { type AfterCopy, assertUsable, release } from './release.ts';

/**
 * The same bytes in pieces of exactly `pieceBytes`; the last one is what remains. An empty source yields one empty
 * piece, so that there is always a last one. Every piece is memory of its own, which the reader may release.
 */
export async function* gather(
  source: Bytes,
  pieceBytes: number,
  afterCopy: AfterCopy,
): AsyncGenerator<Buffer, void, undefined> {
  let piece = Buffer.allocUnsafeSlow(pieceBytes);
  let filled = 0;
  let pieces = 0;
  for await (const chunk of source) {
    assertUsable(chunk);
    for (let from = 0; from < chunk.length; ) {
      const count = Math.min(pieceBytes - filled, chunk.length - from);
      piece.set(chunk.subarray(from, from + count), filled);
      filled += count;
      from += count;
      if (filled < pieceBytes) continue;
      yield piece;
      pieces += 1;
      piece = Buffer.allocUnsafeSlow(pieceBytes);
      filled = 0;
    }
    if (afterCopy === 'Free') release(chunk);
  }
  if (filled > 0 || pieces === 0) yield piece.subarray(0, filled);
}
