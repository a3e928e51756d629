import type { Codec } from './codec.ts';
import { gzipCodec } from './gzip.ts';
import { zstdCodec } from './zstd.ts';

export interface Compression {
  algorithm: 'Zstd' | 'Gzip' | 'None';
  /** Left out: 3 for Zstd, 6 for Gzip. Means nothing when reading. */
  level?: number;
}

/**
 * Plaintext per frame. Large enough to compress as well as one stream, small enough that a frame and the compressor's
 * tables for it stay in a core's cache: with 4 MiB the same bytes took an eighth more time (`npm run bench:stream`).
 */
export const frameBytes = 1024 * 1024;

export function codecFor(compression: Compression): Codec {
  switch (compression.algorithm) {
    case 'Zstd':
      return zstdCodec(compression.level ?? 3);
    case 'Gzip':
      return gzipCodec(compression.level ?? 6);
    case 'None':
      return plainCodec;
  }
}

const plainCodec: Codec = {
  compress: async (plain) => plain,
  async *split(stored) {
    let offset = 0;
    for await (const chunk of stored) {
      yield { stored: chunk, plainBytes: chunk.length, offset };
      offset += chunk.length;
    }
  },
  decompress: async (frame) => frame.stored,
};
