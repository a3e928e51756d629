import type { Clock } from '../base/clock.ts';
import type { Bytes, Filter } from './bytes.ts';

interface Slice {
  startMs: number;
  bytes: number;
}

/** Counts bytes and says how fast they came lately. */
export class Meter {
  readonly #clock: Clock;
  readonly #windowMs: number;
  #bytes = 0;
  #slices: Slice[] = [];

  /** `windowMs`: how far back the rate looks. */
  constructor(clock: Clock, windowMs = 10_000) {
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.#slices.push({ startMs: clock.nowMs(), bytes: 0 });
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    const nowMs = this.#forgetOld();
    const newest = this.#slices.at(-1)!;
    // A tenth of the window: the memory stays small however small the chunks are.
    if (nowMs - newest.startMs < this.#windowMs / 10) newest.bytes += bytes;
    else this.#slices.push({ startMs: nowMs, bytes });
  }

  /** Bytes per second over the window, or since the start while that is shorter; 0 before any time has passed. */
  get bytesPerSecond(): number {
    const nowMs = this.#forgetOld();
    const elapsedMs = nowMs - this.#slices[0]!.startMs;
    const bytes = this.#slices.reduce((sum, slice) => sum + slice.bytes, 0);
    return elapsedMs <= 0 ? 0 : (bytes * 1000) / elapsedMs;
  }

  #forgetOld(): number {
    const nowMs = this.#clock.nowMs();
    // The machine's clock was set back: times before it mean nothing any more.
    if (nowMs < this.#slices.at(-1)!.startMs) this.#slices = [{ startMs: nowMs, bytes: 0 }];
    const keptFrom = this.#slices.findIndex((slice) => slice.startMs > nowMs - this.#windowMs);
    if (keptFrom === -1) this.#slices = [{ startMs: nowMs - this.#windowMs, bytes: 0 }];
    else this.#slices.splice(0, keptFrom);
    return nowMs;
  }
}

/** Passes bytes on unchanged and counts them. */
export async function* metered(source: Bytes, meter: Meter): Filter<void> {
  for await (const chunk of source) {
    meter.add(chunk.length);
    yield chunk;
  }
}
