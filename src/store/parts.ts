import { partBytes } from './store.ts';

export interface Part {
  body: Uint8Array;
  last: boolean;
}

/**
 * Part buffers that are used again: a new 8 MiB buffer for each part would leave it to the garbage collector how much
 * memory a big upload takes. A buffer may be given back only when nobody reads it any more.
 */
export class PartBuffers {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(partBytes);
  }

  giveBack(part: Uint8Array): void {
    const whole = Buffer.from(part.buffer, 0, part.buffer.byteLength);
    if (whole.length === partBytes) this.#free.push(whole);
  }
}

/**
 * Cuts a stream into parts of `partBytes`; only the last is shorter, and it is empty only when the whole stream is.
 * The consumer owns a part until it gives the buffer back.
 */
export async function* cutIntoParts(bytes: AsyncIterable<Uint8Array>, buffers: PartBuffers): AsyncGenerator<Part> {
  let buffer = buffers.take();
  let filled = 0;
  for await (const chunk of bytes) {
    let at = 0;
    while (at < chunk.length) {
      if (filled === partBytes) {
        yield { body: buffer, last: false };
        buffer = buffers.take();
        filled = 0;
      }
      const take = Math.min(partBytes - filled, chunk.length - at);
      buffer.set(chunk.subarray(at, at + take), filled);
      filled += take;
      at += take;
    }
  }
  yield { body: buffer.subarray(0, filled), last: true };
}

/**
 * Waits for the next part, but not longer than until `signal` is aborted: a source that stands still must not keep a
 * failed upload from ending. The source is then told to end and not waited for.
 */
export async function nextPart(parts: AsyncGenerator<Part>, signal: AbortSignal): Promise<Part | undefined> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const step = await Promise.race([parts.next(), aborted]);
    return step.done ? undefined : step.value;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Ends the source without waiting: it may be blocked in a read that never returns. Its own errors matter no more. */
export function abandon(parts: AsyncGenerator<Part>): void {
  parts.return(undefined).catch(() => undefined);
}
