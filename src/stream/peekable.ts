/** An iteration whose next item can be looked at before it is decided who gets it. */
export class Peekable<T> {
  readonly #iterator: AsyncIterator<T>;
  #next: Promise<IteratorResult<T>> | undefined;

  constructor(source: AsyncIterable<T>) {
    this.#iterator = source[Symbol.asyncIterator]();
  }

  /** The next item, the same one until it is dropped; undefined at the end. */
  async peek(): Promise<T | undefined> {
    this.#next ??= this.#iterator.next();
    const step = await this.#next;
    return step.done ? undefined : step.value;
  }

  drop(): void {
    this.#next = undefined;
  }

  /** Closes the source. */
  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}
