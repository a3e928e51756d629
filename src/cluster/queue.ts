import { type Backoff, backoffDelayMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';

/** From 5 ms, as controller-runtime; the cap is lower than its 1,000 s because people watch a backup come back. */
export const reconcileBackoff: Backoff = { firstMs: 5, factor: 2, capMs: 120_000 };

export interface WorkQueue {
  /** The key needs a look. Many calls before it is taken are one; a call while it is worked on brings it back afterwards. */
  add(key: string): void;
  /** As `add`, but later. A key has at most one pending visit: the earliest. Taking the key cancels it. */
  addAfter(key: string, delayMs: number): void;
  /** As `addAfter`, with a delay that grows with every call until `forget`, and is at least `atLeastMs`. */
  addBackoff(key: string, atLeastMs?: number): void;
  /** The key went well: its next failure is the first again. */
  forget(key: string): void;
  /** The next key, which nobody else gets until it is finished. `undefined` when the queue is closed. */
  take(): Promise<string | undefined>;
  /** Must follow every `take`. */
  finish(key: string): void;
  /** How many keys wait for a worker now. Those that come later, after a pause, do not count. */
  depth(): number;
  /** Ends all waiting `take`s; keys that wait are dropped. */
  close(): void;
}

/**
 * A queue of keys, not of events: what happened to an object does not matter, only that it needs a look. One worker a
 * key at a time, so that two reconciles of one object never race.
 */
export function createQueue(clock: Clock, random: () => number, backoff: Backoff = reconcileBackoff): WorkQueue {
  const ready = new Set<string>();
  const taken = new Set<string>();
  const again = new Set<string>();
  const pending = new Map<string, { atMs: number; cancel: () => void }>();
  const failures = new Map<string, number>();
  const takers: ((key: string | undefined) => void)[] = [];
  let closed = false;

  function hand(key: string): void {
    pending.get(key)?.cancel();
    pending.delete(key);
    taken.add(key);
  }

  function add(key: string): void {
    if (closed) return;
    if (taken.has(key)) {
      again.add(key);
      return;
    }
    const taker = takers.shift();
    if (taker === undefined) {
      ready.add(key);
      return;
    }
    hand(key);
    taker(key);
  }

  function addAfter(key: string, delayMs: number): void {
    if (closed) return;
    const atMs = clock.nowMs() + delayMs;
    const earlier = pending.get(key);
    if (earlier !== undefined && earlier.atMs <= atMs) return;
    earlier?.cancel();
    const cancel = clock.after(delayMs, () => {
      pending.delete(key);
      add(key);
    });
    pending.set(key, { atMs, cancel });
  }

  return {
    add,
    addAfter,
    addBackoff(key, atLeastMs = 0) {
      const count = (failures.get(key) ?? 0) + 1;
      failures.set(key, count);
      addAfter(key, Math.max(atLeastMs, backoffDelayMs(backoff, count, random())));
    },
    forget: (key) => void failures.delete(key),
    take() {
      const [key] = ready;
      if (key !== undefined) {
        ready.delete(key);
        hand(key);
        return Promise.resolve(key);
      }
      if (closed) return Promise.resolve(undefined);
      return new Promise((resolve) => takers.push(resolve));
    },
    finish(key) {
      taken.delete(key);
      if (again.delete(key)) add(key);
    },
    depth: () => ready.size,
    close() {
      closed = true;
      ready.clear();
      for (const { cancel } of pending.values()) cancel();
      pending.clear();
      for (const taker of takers.splice(0)) taker(undefined);
    },
  };
}
