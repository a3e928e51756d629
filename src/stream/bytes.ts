/**
 * A stream of bytes. Whoever asks for the next chunk sets the pace: nothing is read that nobody asked for, but for the
 * few frames that `mapInOrder` holds. A chunk belongs to the reader once it is handed over: a source never writes
 * into it again. A Node `Readable` of buffers is one.
 */
export type Bytes = AsyncIterable<Uint8Array>;

/** Passes bytes on, changed or not, and returns what it learned from them when the last one has left. */
export type Filter<R> = AsyncGenerator<Uint8Array, R, undefined>;

/**
 * The chunks of `source` until one of `signals` is aborted; then the pending read fails with its reason at once, even
 * when the source hangs for ever. The source is closed in every case: a `Readable` is destroyed, anything else gets
 * `return()`.
 */
export async function* untilAborted(source: Bytes, ...signals: (AbortSignal | undefined)[]): Filter<void> {
  const signal = AbortSignal.any(signals.filter((one) => one !== undefined));
  const iterator = source[Symbol.asyncIterator]();
  let failRead = (_reason: unknown): void => {};
  const onAbort = (): void => failRead(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const step = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        failRead = reject;
        iterator.next().then(resolve, reject);
      });
      if (step.done) return;
      yield step.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    close(source, iterator);
  }
}

// Not awaited: return() of a generator that hangs in a read would hang as well, and its error has no reader any more.
function close(source: Bytes, iterator: AsyncIterator<Uint8Array>): void {
  if ('destroy' in source && typeof source.destroy === 'function') source.destroy();
  iterator.return?.().then(undefined, () => {});
}
