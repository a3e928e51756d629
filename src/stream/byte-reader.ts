import type { Bytes } from './bytes.ts';

/** Reads a stream by looking first: for formats that tell their length in their first bytes. */
export class ByteReader {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #room = Buffer.alloc(0);
  #from = 0;
  #to = 0;
  #taken = 0;

  constructor(source: Bytes) {
    this.#iterator = source[Symbol.asyncIterator]();
  }

  /** What was read and not yet taken. Valid until the next call. */
  get held(): Buffer {
    return this.#room.subarray(this.#from, this.#to);
  }

  /** Position in the stream of the first held byte. */
  get offset(): number {
    return this.#taken;
  }

  /** Reads until at least `bytes` are held. False: the stream ended before. */
  async hold(bytes: number): Promise<boolean> {
    while (this.#to - this.#from < bytes) {
      const step = await this.#iterator.next();
      if (step.done) return false;
      this.#append(step.value, bytes);
    }
    return true;
  }

  /** Removes the first `bytes` of what is held and gives them as a copy. */
  take(bytes: number): Buffer {
    const taken = Buffer.allocUnsafeSlow(bytes);
    this.#room.copy(taken, 0, this.#from, this.#from + bytes);
    this.#from += bytes;
    this.#taken += bytes;
    return taken;
  }

  /** Everything from here to the end. */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#to > this.#from) yield this.take(this.#to - this.#from);
    for (;;) {
      const step = await this.#iterator.next();
      if (step.done) return;
      yield step.value;
    }
  }

  /** Closes the source; does nothing when it has ended. */
  async close(): Promise<void> {
    await this.#iterator.return?.();
  }

  #append(chunk: Uint8Array, wanted: number): void {
    const held = this.#to - this.#from;
    if (this.#to + chunk.length > this.#room.length) {
      const needed = Math.max(held + chunk.length, wanted);
      const room = needed > this.#room.length ? Buffer.allocUnsafeSlow(needed + (needed >> 1)) : this.#room;
      this.#room.copy(room, 0, this.#from, this.#to);
      this.#room = room;
      this.#from = 0;
      this.#to = held;
    }
    this.#room.set(chunk, this.#to);
    this.#to += chunk.length;
  }
}
