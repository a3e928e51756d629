import type { Bytes, Filter } from './bytes.ts';

export interface Stage<R> {
  /** Can be read once. */
  bytes: Bytes;
  /**
   * Settles when `bytes` ended: with the filter's result at the end, with its error, or with an error when the reader
   * left early. It never raises an unhandled rejection, because the reader of `bytes` gets the same error.
   */
  result: Promise<R>;
}

/** Splits a filter into the bytes that one party reads and the result that another waits for. */
export function stage<R>(filter: Filter<R>): Stage<R> {
  const { promise, resolve, reject } = Promise.withResolvers<R>();
  promise.catch(() => {});
  const iterator: AsyncIterator<Uint8Array> = {
    async next() {
      try {
        const step = await filter.next();
        if (!step.done) return step;
        resolve(step.value);
        return { done: true, value: undefined };
      } catch (thrown) {
        reject(thrown);
        throw thrown;
      }
    },
    async return() {
      reject(new Error('the reader left before the end of the stream'));
      await filter.return(undefined as never);
      return { done: true, value: undefined };
    },
  };
  return { bytes: { [Symbol.asyncIterator]: () => iterator }, result: promise };
}
