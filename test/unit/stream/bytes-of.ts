import type { Bytes } from '../../../src/stream/bytes.ts';

/** `content` as a stream in chunks of `chunkBytes`, each a copy of its own as a pipe would give it. */
export async function* bytesOf(content: Uint8Array, chunkBytes = 65_536): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < content.length; at += chunkBytes) yield Uint8Array.from(content.subarray(at, at + chunkBytes));
}

/** Everything that comes out. */
export async function readAll(bytes: Bytes): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

export interface Outcome {
  /** What came out before the end or the error. */
  bytes: Buffer;
  error: unknown;
}

/** Reads to the end or to the error, and keeps both. */
export async function readUntilError(bytes: Bytes): Promise<Outcome> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of bytes) chunks.push(chunk);
  } catch (error) {
    return { bytes: Buffer.concat(chunks), error };
  }
  return { bytes: Buffer.concat(chunks), error: undefined };
}

/** Bytes that compress about 3:1 and are the same for the same `seed`. */
export function rows(bytes: number, seed = 1): Buffer {
  const parts: string[] = [];
  let state = seed;
  for (let length = 0; length < bytes; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const row = `${state % 5000}\tcustomer ${state.toString(16)}\tBerlin\tshipped\n`;
    parts.push(row);
    length += row.length;
  }
  return Buffer.from(parts.join('')).subarray(0, bytes);
}
