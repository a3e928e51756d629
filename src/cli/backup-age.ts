import type { BackupPolicySpec, BackupPolicyStatus } from '../api/backup-policy.ts';
import type { BackupRunSpec, BackupRunStatus } from '../api/backup-run.ts';
import { scheduleLabel } from '../api/names.ts';
import type { IntervalOf } from '../api/schedule-interval.ts';
import { describeDuration } from '../base/duration.ts';
import type { Resource } from '../cluster/resource.ts';

/** A schedule whose newest backup is too old. `open`: the newest run of the policy that is not over. */
export interface TooOld {
  message: string;
  open: string | undefined;
}

/**
 * The first schedule whose newest backup is older than one and a half of the schedule's longest pause and 15 minutes;
 * one without a backup counts from the moment it was first seen. The rule of the alerts BackstayBackupTooOld and
 * BackstayNeverSucceeded. While a run hangs each tick is skipped and none is ever overdue, so only the age tells.
 */
export function findTooOld(
  policy: Resource,
  runs: readonly Resource[],
  intervalOf: IntervalOf,
  nowMs: number,
): TooOld | undefined {
  const { schedules = [] } = (policy.spec ?? {}) as Partial<BackupPolicySpec>;
  const status = (policy.status ?? {}) as BackupPolicyStatus;
  const own = runs.filter(({ spec }) => (spec as Partial<BackupRunSpec>).policyName === policy.metadata.name);
  for (const schedule of schedules) {
    const { name } = schedule;
    const newestMs = newestBackupMs(own.filter(({ metadata }) => metadata.labels?.[scheduleLabel] === name));
    const firstSeen = status.schedules?.find((one) => one.name === name)?.firstSeen;
    const ageMs = nowMs - (newestMs ?? Date.parse(firstSeen ?? policy.metadata.creationTimestamp));
    const intervalS = intervalOf(schedule, nowMs);
    if (intervalS === undefined || ageMs <= (1.5 * intervalS + 900) * 1000) continue;
    const has = newestMs === undefined ? 'has made no backup for' : 'made its newest backup';
    const ago = newestMs === undefined ? '' : ' ago';
    const every = describeDuration(intervalS * 1000);
    return {
      message: `schedule ${name} ${has} ${describeDuration(ageMs)}${ago}; its longest pause is ${every}`,
      open: newestOpen(own),
    };
  }
  return undefined;
}

function newestBackupMs(runs: readonly Resource[]): number | undefined {
  const moments = runs.flatMap(({ status }) => {
    const { phase, set } = (status ?? {}) as BackupRunStatus;
    return phase === 'Succeeded' && set !== undefined ? [Date.parse(set.consistentAt)] : [];
  });
  return moments.length === 0 ? undefined : Math.max(...moments);
}

function newestOpen(runs: readonly Resource[]): string | undefined {
  const open = runs.filter(({ status }) => {
    const { phase = 'Pending' } = (status ?? {}) as BackupRunStatus;
    return phase !== 'Succeeded' && phase !== 'Failed';
  });
  open.sort((a, b) => b.metadata.creationTimestamp.localeCompare(a.metadata.creationTimestamp));
  return open[0]?.metadata.name;
}
