import type { Bytes } from './bytes.ts';

/** A piece of a compressed stream that can be decompressed by itself. */
export interface Frame {
  stored: Uint8Array;
  plainBytes: number;
  /** Where in the stored stream it begins. */
  offset: number;
}

/** Compresses pieces into frames that, joined, are a valid stream of the plain tool, and finds the frames again. */
export interface Codec {
  compress(plain: Uint8Array): Promise<Uint8Array>;
  /** Throws DataCorrupt when the stream ends inside a frame, or is not made of frames at all. */
  split(stored: Bytes): AsyncGenerator<Frame, void, undefined>;
  /** Throws DataCorrupt. */
  decompress(frame: Frame): Promise<Uint8Array>;
}
