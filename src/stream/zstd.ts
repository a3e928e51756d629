import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import type { Codec } from './codec.ts';
import {
  cutToSize,
  firstOutputRoom,
  largestPlainBytes,
  NotAFrame,
  outputRoom,
  plaintextOf,
  type Sight,
  splitFrames,
} from './frames.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/**
 * Zstandard (RFC 8878), one frame a piece, compressed on libuv's pool. The checksum is switched on, for Node leaves it
 * off, and then a flipped bit goes unnoticed. Reading walks from frame to frame: Node's stream decoder stops after the
 * first frame and reports success.
 */
export function zstdCodec(level: number): Codec {
  return {
    async compress(plain) {
      const roomBytes = firstOutputRoom(plain.length);
      const frame = await compress(plain, {
        params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
        pledgedSrcSize: plain.length,
        chunkSize: roomBytes,
      });
      return cutToSize(frame, roomBytes);
    },
    split: (stored) => splitFrames(stored, lookAtZstd),
    decompress: (frame) =>
      plaintextOf(frame, () =>
        decompress(frame.stored, {
          chunkSize: outputRoom(frame.plainBytes),
          maxOutputLength: outputRoom(frame.plainBytes),
        }),
      ),
  };
}

const magic = 0xfd2fb528;
const largestBlockBytes = 128 * 1024;

/** Frame header, then the headers of the blocks: RFC 8878, sections 3.1.1.1 and 3.1.1.2. */
export function lookAtZstd(held: Buffer): Sight {
  if (held.length < 5) return { sight: 'More', atLeastBytes: 5 };
  const found = held.readUInt32LE(0);
  if (found >= 0x184d2a50 && found <= 0x184d2a5f)
    throw new NotAFrame('is a skippable frame, which Backstay never writes');
  if (found !== magic) throw new NotAFrame('does not begin like a Zstandard frame');
  const descriptor = held[4]!;
  const single = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  if ((descriptor & 0x08) !== 0) throw new NotAFrame('has a reserved bit set');
  if ((descriptor & 0x04) === 0) throw new NotAFrame('has no checksum');
  if ((descriptor & 0x03) !== 0) throw new NotAFrame('needs a dictionary');
  if (sizeFlag === 0 && !single) throw new NotAFrame('does not say how long its content is');
  const sizeAt = 5 + (single ? 0 : 1);
  const sizeBytes = [1, 2, 4, 8][sizeFlag]!;
  if (held.length < sizeAt + sizeBytes) return { sight: 'More', atLeastBytes: sizeAt + sizeBytes };
  const plainBytes = contentSize(held, sizeAt, sizeBytes);
  if (plainBytes > largestPlainBytes) throw new NotAFrame(`says that it holds ${plainBytes} bytes, which is too much`);
  return lookAtBlocks(held, sizeAt + sizeBytes, plainBytes);
}

function contentSize(held: Buffer, at: number, bytes: number): number {
  if (bytes === 8) return Number(held.readBigUInt64LE(at));
  return held.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0);
}

function lookAtBlocks(held: Buffer, firstAt: number, plainBytes: number): Sight {
  // The compressor makes one block of 128 KiB, and at high levels splits it; tiny blocks without end are an attack.
  const mostBlocks = 1024 + plainBytes / 1024;
  let at = firstAt;
  for (let blocks = 1; blocks <= mostBlocks; blocks += 1) {
    if (held.length < at + 3) return { sight: 'More', atLeastBytes: at + 3 };
    const header = held.readUIntLE(at, 3);
    const type = (header >> 1) & 3;
    const size = header >> 3;
    if (type === 3) throw new NotAFrame('has a block of a reserved type');
    if (size > largestBlockBytes) throw new NotAFrame('has a block that is too large');
    at += 3 + (type === 1 ? 1 : size);
    if ((header & 1) === 1) return { sight: 'Whole', storedBytes: at + 4, plainBytes };
  }
  throw new NotAFrame('has too many blocks');
}
