/** Every pause of the operator. Tests run them short, by the same code. */
export interface Timings {
  /** How often a task is looked at although nothing was heard of it. */
  recheckMs: number;
  /** How often at most the progress of a task is written into the status. */
  progressMs: number;
  /** How long an object that is named and not there is waited for, counted from the creation of the one that names it. */
  referenceMs: number;
  /** The pause before the second attempt, after an accident and after a failure that heals by itself. */
  retryMs: { once: number; backoff: number };
  /** The pause before an inspection that failed is tried again; grows with each. */
  inspectAgainMs: number;
  /** How long a deleted object is held back by a task that does not end. */
  giveUpMs: number;
}

export const defaultTimings: Timings = {
  recheckMs: 5_000,
  progressMs: 10_000,
  referenceMs: 600_000,
  retryMs: { once: 5_000, backoff: 30_000 },
  inspectAgainMs: 30_000,
  giveUpMs: 600_000,
};
