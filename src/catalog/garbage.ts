/** How long after its deadline an attempt may still be alive: clocks that differ, a pod that was paused. */
export const garbageAfterMs = 24 * 3_600_000;

/** One folder below `sets/`, as far as it could be understood. */
export interface SetOnStore {
  runUid: string;
  /**
   * The attempt that the manifest names; undefined when there is no manifest; `unreadable` when there is one that this
   * version cannot read.
   */
  committed: string | 'unreadable' | undefined;
  attempts: {
    attempt: string;
    /** From the intent; undefined when there is none or it cannot be read. */
    deadlineMs: number | undefined;
  }[];
}

export interface Garbage {
  runUid: string;
  attempt: string;
}

/**
 * The attempts that can be removed: an intent says that their time was up 24 h ago, and no manifest names them. What
 * cannot be understood is kept: an object without an intent, a set whose manifest cannot be read.
 */
export function chooseGarbage(sets: readonly SetOnStore[], nowMs: number): Garbage[] {
  return sets
    .filter(({ committed }) => committed !== 'unreadable')
    .flatMap(({ runUid, committed, attempts }) =>
      attempts
        .filter(({ attempt, deadlineMs }) => attempt !== committed && isOver(deadlineMs, nowMs))
        .map(({ attempt }) => ({ runUid, attempt })),
    );
}

function isOver(deadlineMs: number | undefined, nowMs: number): boolean {
  return deadlineMs !== undefined && nowMs > deadlineMs + garbageAfterMs;
}
