import { Fault } from '../base/fault.ts';
import { openHeader, payloadKey, takeNonce } from './age-header.ts';
import { chunkBytes, PayloadCipher, tagBytes } from './age-payload.ts';
import { ByteReader } from './byte-reader.ts';
import type { Bytes, Filter } from './bytes.ts';
import { gather } from './gather.ts';
import type { Identity } from './identity.ts';
import { release } from './release.ts';

const sealedChunkBytes = chunkBytes + tagBytes;

/**
 * The plaintext of one age file. No byte of a chunk is passed on before its tag was checked, but chunks before a damaged
 * one are: whoever must not see part of a damaged file has to read it twice. Throws WrongKey, FormatNewer and
 * DataCorrupt: damaged, cut, or followed by something else.
 */
export async function* decrypt(sealed: Bytes, identities: readonly Identity[]): Filter<void> {
  const reader = new ByteReader(sealed);
  try {
    const fileKey = await openHeader(reader, identities);
    const cipher = new PayloadCipher(payloadKey(fileKey, await takeNonce(reader)));
    let heldBack: Buffer | undefined;
    let index = 0;
    for await (const chunk of gather(reader.rest(), sealedChunkBytes, 'Keep')) {
      if (heldBack !== undefined) yield* openChunk(cipher, heldBack, index++);
      heldBack = chunk;
    }
    yield* openLastChunk(cipher, heldBack!, index);
  } finally {
    await reader.close();
  }
}

function* openChunk(cipher: PayloadCipher, sealed: Buffer, index: number): Generator<Buffer, void, undefined> {
  const plain = cipher.open(sealed, index, false);
  if (plain !== undefined) {
    release(sealed);
    yield plain;
    return;
  }
  const lastPlain = cipher.open(sealed, index, true);
  if (lastPlain === undefined) throw damaged(index, 'is damaged: its tag does not fit');
  yield lastPlain;
  throw damaged(index, 'is the last one, but the age file goes on behind it');
}

function* openLastChunk(cipher: PayloadCipher, sealed: Buffer, index: number): Generator<Buffer, void, undefined> {
  const plain = cipher.open(sealed, index, true);
  if (plain !== undefined) {
    // A full chunk can be the last one; an empty one behind it would be a second way to write the same file.
    if (plain.length === 0 && index > 0)
      throw damaged(index, 'is empty, which only a file without content may end with');
    yield plain;
    return;
  }
  const innerPlain = sealed.length === sealedChunkBytes ? cipher.open(sealed, index, false) : undefined;
  if (innerPlain === undefined) throw damaged(index, 'is damaged or cut off: its tag does not fit');
  yield innerPlain;
  throw damaged(index, 'is not the last one, but the age file is cut off behind it');
}

function damaged(index: number, how: string): Fault {
  return new Fault('DataCorrupt', `encrypted chunk ${index + 1} ${how}`);
}
