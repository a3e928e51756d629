export interface MapInOrder<A, B> {
  /**
   * Opens the source, which must be an async generator, for only those queue several `next()` calls. `stop` is aborted
   * as soon as nobody reads any more: a source that can hang has to listen to it.
   */
  open: (stop: AbortSignal) => AsyncIterable<A>;
  work: (item: A) => Promise<B>;
  /** Items read ahead and worked on at the same time: this bounds the memory. */
  width: number;
}

/**
 * Does `work` on several items at once and yields the results in the order of the source. An error shows in its place:
 * everything before it is delivered first. When the reader leaves, the source is closed and running work awaited.
 */
export async function* mapInOrder<A, B>({ open, work, width }: MapInOrder<A, B>): AsyncGenerator<B, void, undefined> {
  const stop = new AbortController();
  const iterator = open(stop.signal)[Symbol.asyncIterator]();
  const slots: Promise<IteratorResult<B, undefined>>[] = [];
  const readOne = async (): Promise<IteratorResult<B, undefined>> => {
    const step = await iterator.next();
    return step.done ? { done: true, value: undefined } : { done: false, value: await work(step.value) };
  };
  const fill = (): void => {
    while (slots.length < width) {
      const slot = readOne();
      slot.catch(() => {});
      slots.push(slot);
    }
  };
  try {
    fill();
    for (;;) {
      const step = await slots[0]!;
      if (step.done) return;
      slots.splice(0, 1);
      // Before the result is handed over: its reader takes time, and the pool must not idle meanwhile.
      fill();
      yield step.value;
    }
  } finally {
    stop.abort(new Error('the reader left'));
    await Promise.allSettled([iterator.return?.(), ...slots]);
  }
}
