import type { PolicySchedule } from '../../api/backup-policy.ts';
import { parseCron } from '../../api/cron.ts';

export interface Ticks {
  /** The newest tick after `lastTickMs` that is not later than now. Those before it were missed: one run stands for all. */
  dueMs: number | undefined;
  /** The first tick after now; undefined for a cron that has no more. */
  nextMs: number | undefined;
}

/**
 * Pure: where a schedule stands. `lastTickMs` is the newest tick that was dealt with, or for a schedule that is new the
 * moment it was first seen: nobody wants a backup at once because a nightly schedule was applied at noon.
 */
export function ticksOf(
  { cron, timeZone }: Pick<PolicySchedule, 'cron' | 'timeZone'>,
  lastTickMs: number,
  nowMs: number,
): Ticks {
  const pattern = parseCron(cron, timeZone);
  // croner looks strictly before the given moment, and thinks in whole seconds.
  const untilMs = Math.floor(nowMs / 1000) * 1000 + 1000;
  const newestMs = pattern.previousRuns(1, new Date(untilMs))[0]?.getTime();
  return {
    dueMs: newestMs !== undefined && newestMs > lastTickMs && newestMs <= nowMs ? newestMs : undefined,
    nextMs: pattern.nextRun(new Date(nowMs))?.getTime(),
  };
}
