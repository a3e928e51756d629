import type { Clock } from '../../src/base/clock.ts';

/** Time that moves only when a test says so. */
export class FakeClock implements Clock {
  #nowMs: number;
  #calls = new Set<{ atMs: number; call: () => void }>();

  constructor(nowMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = nowMs;
  }

  get pending(): number {
    return this.#calls.size;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, call: () => void): () => void {
    const entry = { atMs: this.#nowMs + Math.max(0, delayMs), call };
    this.#calls.add(entry);
    return () => this.#calls.delete(entry);
  }

  /** Moves on, calling what falls due in order; what those calls set up within the time is called too. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await settle();
      const due = [...this.#calls].filter((entry) => entry.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      this.#calls.delete(due);
      due.call();
    }
    this.#nowMs = untilMs;
    await settle();
  }
}

/** Lets every promise that can settle now do so. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
