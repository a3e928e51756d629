import { type Bytes, type Filter, untilAborted } from './bytes.ts';
import { type Compression, codecFor, frameBytes } from './compression.ts';
import { Digester, type ObjectDigests } from './digest.ts';
import { encrypt } from './encrypt.ts';
import { gather } from './gather.ts';
import { mapInOrder } from './map-in-order.ts';
import { Peekable } from './peekable.ts';
import { type AfterCopy, release } from './release.ts';
import { type Stage, stage } from './stage.ts';

export type Encryption = { algorithm: 'Age'; recipients: readonly string[] } | { algorithm: 'None' };

export interface EncodeOptions {
  compression: Compression;
  encryption: Encryption;
  /** Where a stream is cut into objects: none holds more compressed bytes, but for one that has a single larger frame. */
  objectBytes: number;
  /** Frames compressed at the same time. One thread of libuv's four is left to files and names. */
  framesInFlight?: number;
  /** `Free` when the chunks of the source are made for us alone, as a pipe's are. Left out: `Keep`. */
  sourceChunks?: AfterCopy;
  signal?: AbortSignal;
}

export type EncodedObject = Stage<ObjectDigests>;

interface CompressedFrame {
  plain: Uint8Array;
  stored: Uint8Array;
}

/**
 * Cuts a stream into objects, each complete in itself: whole compressed frames, in one age file of its own when
 * encryption is on. Objects come one after the other, at least one: the bytes of each must be read to the end before the
 * next is asked for. A chunk is the reader's until it asks for the next one: then its memory is given back. Leaving the
 * loop, or the signal, closes `source`.
 */
export async function* encode(source: Bytes, options: EncodeOptions): AsyncGenerator<EncodedObject, void, undefined> {
  const frames = new Peekable(compressedFrames(source, options));
  try {
    while ((await frames.peek()) !== undefined) {
      let whole = false;
      const onEnd = (): void => {
        whole = true;
      };
      yield stage(objectBytes(frames, options, onEnd));
      if (!whole) throw new Error('the next object was asked for before the last one was read to its end');
    }
  } finally {
    await frames.close();
  }
}

function compressedFrames(source: Bytes, options: EncodeOptions): AsyncGenerator<CompressedFrame> {
  const codec = codecFor(options.compression);
  return mapInOrder({
    open: (stop) => gather(untilAborted(source, stop, options.signal), frameBytes, options.sourceChunks ?? 'Keep'),
    work: async (plain) => ({ plain, stored: await codec.compress(plain) }),
    width: options.framesInFlight ?? 3,
  });
}

async function* objectBytes(
  frames: Peekable<CompressedFrame>,
  options: EncodeOptions,
  onEnd: () => void,
): Filter<ObjectDigests> {
  const plain = new Digester();
  const stored = new Digester();
  const body = wholeFrames(frames, options.objectBytes, plain);
  const { encryption } = options;
  for await (const chunk of encryption.algorithm === 'Age' ? encrypt(body, encryption.recipients, 'Free') : body) {
    stored.add(chunk);
    yield chunk;
    release(chunk);
  }
  onEnd();
  return { plain: plain.end(), stored: stored.end() };
}

async function* wholeFrames(frames: Peekable<CompressedFrame>, limitBytes: number, plain: Digester): Filter<void> {
  let taken = 0;
  for (;;) {
    const frame = await frames.peek();
    if (frame === undefined || (taken > 0 && taken + frame.stored.length > limitBytes)) return;
    frames.drop();
    taken += frame.stored.length;
    plain.add(frame.plain);
    if (frame.plain !== frame.stored) release(frame.plain);
    yield frame.stored;
  }
}
