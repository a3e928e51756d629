import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Codec } from './codec.ts';
import {
  firstOutputRoom,
  largestPlainBytes,
  NotAFrame,
  outputRoom,
  plaintextOf,
  type Sight,
  splitFrames,
} from './frames.ts';

const compress = promisify(gzip);
const decompress = promisify(gunzip);

// RFC 1952: ten bytes, then with FEXTRA the length of the extra field and the field itself. Ours holds one subfield,
// `BS`, with the length of the whole member, so that a reader finds the next one without inflating this one.
const plainHeader = Buffer.from([0x1f, 0x8b, 8, 0]);
const headStart = Buffer.from([0x1f, 0x8b, 8, 4]);
const subfield = Buffer.from([8, 0, 0x42, 0x53, 4, 0]);
const headBytes = 10 + subfield.length + 4;
const trailerBytes = 8;

/** Gzip, one member a piece, compressed on libuv's pool. `gzip -d` reads the joined members. */
export function gzipCodec(level: number): Codec {
  return {
    async compress(plain) {
      const member = await compress(plain, { level, chunkSize: firstOutputRoom(plain.length) });
      return withLength(member);
    },
    split: (stored) => splitFrames(stored, lookAtGzip),
    decompress: (frame) =>
      plaintextOf(frame, () =>
        decompress(frame.stored, {
          chunkSize: outputRoom(frame.plainBytes),
          maxOutputLength: outputRoom(frame.plainBytes),
        }),
      ),
  };
}

function withLength(member: Buffer): Buffer {
  if (!member.subarray(0, 4).equals(plainHeader)) throw new Error('node:zlib made a gzip header with flags');
  const head = Buffer.alloc(headBytes);
  member.copy(head, 0, 0, 10);
  headStart.copy(head);
  subfield.copy(head, 10);
  head.writeUInt32LE(headBytes + member.length - 10, headBytes - 4);
  return Buffer.concat([head, member.subarray(10)]);
}

/** Header and trailer of a member that `gzipCodec` wrote. Members of other programs are refused: they tell no length. */
export function lookAtGzip(held: Buffer): Sight {
  if (held.length < headBytes) return { sight: 'More', atLeastBytes: headBytes };
  if (!held.subarray(0, 4).equals(headStart)) throw new NotAFrame('does not begin like a gzip member of Backstay');
  if (!held.subarray(10, 10 + subfield.length).equals(subfield)) throw new NotAFrame('does not say how long it is');
  const storedBytes = held.readUInt32LE(headBytes - 4);
  if (storedBytes < headBytes + trailerBytes) throw new NotAFrame(`says that it is only ${storedBytes} bytes long`);
  if (held.length < storedBytes) return { sight: 'More', atLeastBytes: storedBytes };
  const plainBytes = held.readUInt32LE(storedBytes - 4);
  if (plainBytes > largestPlainBytes) throw new NotAFrame(`says that it holds ${plainBytes} bytes, which is too much`);
  return { sight: 'Whole', storedBytes, plainBytes };
}
