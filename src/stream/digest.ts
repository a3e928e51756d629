import { createHash } from 'node:crypto';
import { Fault } from '../base/fault.ts';
import type { Bytes, Filter } from './bytes.ts';

export interface Digest {
  bytes: number;
  /** Lower-case hexadecimal, as `sha256sum` prints it. */
  sha256: string;
}

/** What a manifest says about an object, and what reading it back is compared with. */
export interface ObjectDigests {
  plain: Digest;
  stored: Digest;
}

/** Length and SHA-256 in one pass. */
export class Digester {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    this.#hash.update(chunk);
  }

  /** Can be called once. */
  end(): Digest {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }
}

/**
 * Passes bytes on unchanged, but never the last chunk of a stream that is not the expected one: a reader behind it
 * cannot take a damaged or cut stream for a whole one. Throws DataCorrupt; `what` names the bytes in the message.
 */
export async function* expectDigest(source: Bytes, expected: Digest, what: string): Filter<void> {
  const digester = new Digester();
  let heldBack: Uint8Array | undefined;
  for await (const chunk of source) {
    if (chunk.length === 0) continue;
    digester.add(chunk);
    if (digester.bytes > expected.bytes) {
      throw new Fault('DataCorrupt', `the ${what} is longer than the ${expected.bytes} bytes that were written`);
    }
    if (heldBack !== undefined) yield heldBack;
    heldBack = chunk;
  }
  const found = digester.end();
  if (found.bytes !== expected.bytes) {
    throw new Fault('DataCorrupt', `the ${what} has ${found.bytes} bytes, ${expected.bytes} were written`);
  }
  if (found.sha256 !== expected.sha256) {
    throw new Fault('DataCorrupt', `the ${what} has SHA-256 ${found.sha256}, ${expected.sha256} was written`);
  }
  if (heldBack !== undefined) yield heldBack;
}
