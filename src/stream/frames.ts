import { Fault } from '../base/fault.ts';
import { ByteReader } from './byte-reader.ts';
import type { Bytes } from './bytes.ts';
import type { Frame } from './codec.ts';
import { release } from './release.ts';

/** What the first bytes of a frame tell about it. */
export type Sight =
  | { sight: 'More'; atLeastBytes: number }
  | { sight: 'Whole'; storedBytes: number; plainBytes: number };

/**
 * Looks at a stream that begins with a frame: how long the frame is, or how many bytes it takes to tell more. Throws
 * DataCorrupt for bytes that no frame of ours begins with.
 */
export type Look = (held: Buffer) => Sight;

/** Refuses memory to a header that lies: ours hold 1 MiB, and a later version may choose more. */
export const largestPlainBytes = 64 * 1024 * 1024;

// What cannot be compressed grows a little. Anything beyond this is no frame but an attack or garbage.
const largestStoredBytes = largestPlainBytes + (largestPlainBytes >> 7) + 65_536;

/**
 * Cuts a stored stream into its frames, without decompressing. A cut between two frames cannot be seen here: whoever
 * reads compares the length of the whole with the one written.
 */
export async function* splitFrames(stored: Bytes, look: Look): AsyncGenerator<Frame, void, undefined> {
  const reader = new ByteReader(stored);
  try {
    for (let index = 0; await reader.hold(1); index += 1) {
      const offset = reader.offset;
      const { storedBytes, plainBytes } = await holdFrame(reader, look, index);
      yield { stored: reader.take(storedBytes), plainBytes, offset };
    }
  } finally {
    await reader.close();
  }
}

async function holdFrame(reader: ByteReader, look: Look, index: number) {
  for (;;) {
    const sight = lookAt(reader, look, index);
    if (sight.sight === 'Whole') return sight;
    if (sight.atLeastBytes > largestStoredBytes) throw corrupt(reader, index, 'is larger than any frame may be');
    if (!(await reader.hold(sight.atLeastBytes))) throw corrupt(reader, index, 'is cut off');
  }
}

function lookAt(reader: ByteReader, look: Look, index: number): Sight {
  try {
    const sight = look(reader.held);
    if (sight.sight === 'More' || sight.storedBytes <= reader.held.length) return sight;
    return { sight: 'More', atLeastBytes: sight.storedBytes };
  } catch (thrown) {
    throw corrupt(reader, index, thrown instanceof NotAFrame ? thrown.message : 'cannot be read', thrown);
  }
}

/** Thrown by a `Look`; the message goes on from "the frame ...". */
export class NotAFrame extends Error {}

function corrupt(reader: ByteReader, index: number, problem: string, cause?: unknown): Fault {
  return new Fault('DataCorrupt', `compressed frame ${index + 1} at byte ${reader.offset} ${problem}`, { cause });
}

/** The plaintext of a frame that a one-shot decompressor of node:zlib made; throws DataCorrupt when it could not. */
export async function plaintextOf(frame: Frame, decompress: () => Promise<Buffer>): Promise<Buffer> {
  let plain: Buffer;
  try {
    plain = await decompress();
  } catch (cause) {
    throw new Fault('DataCorrupt', `the compressed frame at byte ${frame.offset} does not decompress`, { cause });
  }
  release(frame.stored);
  if (plain.length === frame.plainBytes) return plain;
  throw new Fault(
    'DataCorrupt',
    `the compressed frame at byte ${frame.offset} holds ${plain.length} bytes instead of ${frame.plainBytes}`,
  );
}

/** How much output to allow a one-shot decompressor of node:zlib, which refuses less than 64 bytes. */
export function outputRoom(plainBytes: number): number {
  return Math.max(64, plainBytes);
}

/**
 * Room for what a one-shot compressor of node:zlib makes: what compresses by half needs one trip to the pool instead of
 * a hundred with the default of 16 KiB, and what does not compress needs three.
 */
export function firstOutputRoom(plainBytes: number): number {
  return Math.max(4096, plainBytes >> 1);
}

/**
 * What a one-shot compressor of node:zlib made, in memory of its own that has its very size and so can be released: it
 * lies at the start of the room it was given, and half of that is empty. What lies in memory that others use is left.
 */
export function cutToSize(made: Buffer, roomBytes: number): Buffer {
  const { buffer, byteOffset, length } = made;
  const isOurs = byteOffset === 0 && buffer.byteLength === roomBytes && roomBytes > Buffer.poolSize;
  return isOurs && 'transfer' in buffer ? Buffer.from(buffer.transfer(length)) : made;
}
