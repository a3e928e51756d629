import { Fault } from '../base/fault.ts';
import { type Bytes, type Filter, untilAborted } from './bytes.ts';
import { type Compression, codecFor } from './compression.ts';
import { decrypt } from './decrypt.ts';
import { expectDigest, type ObjectDigests } from './digest.ts';
import type { Identity } from './identity.ts';
import { mapInOrder } from './map-in-order.ts';

export type Decryption = { algorithm: 'Age'; identities: readonly Identity[] } | { algorithm: 'None' };

export interface DecodeOptions {
  compression: Pick<Compression, 'algorithm'>;
  encryption: Decryption;
  /** Frames decompressed at the same time. */
  framesInFlight?: number;
  signal?: AbortSignal;
}

/** An object as it lies in a store, with what the manifest says about it. */
export interface StoredObject {
  /** Names it in errors: its key. */
  name: string;
  bytes: Bytes;
  expected: ObjectDigests;
}

/**
 * The stream that was cut into `objects`, which must come in their order. The last bytes of an object are held back until
 * lengths and SHA-256 of what was stored and of what is in it agree, so no reader ever sees the end of a damaged object,
 * or a stream that lacks one. Throws DataCorrupt, WrongKey and FormatNewer with the object's name in `where`. The
 * source of an object is opened only when the one before is done: fetching ahead is the caller's.
 */
export async function* decode(objects: AsyncIterable<StoredObject>, options: DecodeOptions): Filter<void> {
  for await (const object of objects) yield* decodeObject(object, options);
}

async function* decodeObject({ name, bytes, expected }: StoredObject, options: DecodeOptions): Filter<void> {
  const codec = codecFor(options.compression);
  const { encryption } = options;
  const frames = mapInOrder({
    open(stop) {
      const read = untilAborted(bytes, stop, options.signal);
      const stored = expectDigest(read, expected.stored, 'object');
      return codec.split(encryption.algorithm === 'Age' ? decrypt(stored, encryption.identities) : stored);
    },
    work: (frame) => codec.decompress(frame),
    width: options.framesInFlight ?? 3,
  });
  try {
    yield* expectDigest(frames, expected.plain, 'content');
  } catch (thrown) {
    throw thrown instanceof Fault && thrown.where === undefined ? at(name, thrown) : thrown;
  }
}

function at(where: string, fault: Fault): Fault {
  return new Fault(fault.reason, fault.message, { where, hint: fault.hint, cause: fault });
}
