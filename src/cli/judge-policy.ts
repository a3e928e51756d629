import type { BackupPolicyStatus } from '../api/backup-policy.ts';
import type { BackupRunStatus } from '../api/backup-run.ts';
import type { IntervalOf } from '../api/schedule-interval.ts';
import { describeDuration } from '../base/duration.ts';
import { conditionsIn } from '../cluster/conditions.ts';
import type { Resource } from '../cluster/resource.ts';
import { findTooOld } from './backup-age.ts';
import type { StatusAnswer } from './contract.ts';

type PolicyAnswer = StatusAnswer['policies'][number];
type Judgement = Pick<PolicyAnswer, 'verdict' | 'message'> & { next?: string };

/** A run is made within seconds of its tick; what is this late is not made at all. */
const overdueMs = 15 * 60_000;

export interface JudgeOptions {
  nowMs: number;
  /** `backstay backup POLICY` for this policy, as it is to be typed. */
  backupCommand: string;
  /** Where to look when nobody is at work. */
  operatorHint: string;
  intervalOf: IntervalOf;
}

/** Whether a policy protects its database now, in one word, and what to do when it does not. `runs`: those of its namespace. */
export function judgePolicy(policy: Resource, runs: readonly Resource[], options: JudgeOptions): PolicyAnswer {
  const { name, namespace } = policy.metadata;
  const status = (policy.status ?? {}) as BackupPolicyStatus;
  const ready = conditionsIn(status).find(({ type }) => type === 'Ready');
  const { lastSuccess, lastRun, nextRun } = status;
  const failure = lastRun && failureOf(runs.find(({ metadata }) => metadata.name === lastRun.name));
  return {
    namespace,
    name,
    ...judge(policy, runs, options),
    ...(ready && { ready: { status: ready.status, reason: ready.reason, message: ready.message } }),
    ...(lastSuccess && {
      lastSuccess: {
        run: lastSuccess.run,
        time: lastSuccess.time,
        ageSeconds: ageSeconds(lastSuccess.time, options.nowMs),
        storedBytes: lastSuccess.storedBytes,
        size: lastSuccess.size,
      },
    }),
    ...(nextRun !== undefined && { nextRun }),
    ...(lastRun && { lastRun: { ...lastRun, ...(failure && { failure }) } }),
  };
}

function judge(
  policy: Resource,
  runs: readonly Resource[],
  { nowMs, backupCommand, operatorHint, intervalOf }: JudgeOptions,
): Judgement {
  const status = (policy.status ?? {}) as BackupPolicyStatus;
  const ready = conditionsIn(status).find(({ type }) => type === 'Ready');
  if (ready === undefined || status.observedGeneration !== policy.metadata.generation) {
    const message = ready === undefined ? 'nobody has looked at it yet' : 'nobody has looked at its newest change yet';
    return { verdict: 'NotReady', message, next: operatorHint };
  }
  const { reason, message } = ready;
  if (reason === 'Suspended') return { verdict: 'Suspended', message, next: 'Set spec.suspend to false to go on.' };
  if (reason === 'ReadOnly') return { verdict: 'ReadOnly', message };
  const lateMs = status.nextRun === undefined ? 0 : nowMs - Date.parse(status.nextRun);
  if (lateMs > overdueMs) {
    const late = `a run was due ${describeDuration(lateMs)} ago and nobody made it`;
    return { verdict: 'Overdue', message: late, next: operatorHint };
  }
  if (ready.status === 'False') {
    const failed = runs.find(({ metadata }) => message.startsWith(`run ${metadata.name} failed`));
    if (failed === undefined) return { verdict: 'NotReady', message, next: 'Correct the policy and apply it again.' };
    const next = failureOf(failed)?.hint ?? 'Look at the run that failed.';
    return {
      verdict: status.lastSuccess === undefined ? 'NoBackup' : 'Failing',
      message: `${reason}: ${message}`,
      next,
    };
  }
  if (status.lastSuccess === undefined || reason === 'NeverRun') {
    return { verdict: 'NoBackup', message, next: `Make the first one: ${backupCommand}` };
  }
  const tooOld = findTooOld(policy, runs, intervalOf, nowMs);
  if (tooOld === undefined) return { verdict: 'Protected', message };
  const next =
    tooOld.open === undefined
      ? `Make one now: ${backupCommand}`
      : `While run ${tooOld.open} is not over no other is made: look why, and delete it when it will not end.`;
  return { verdict: 'TooOld', message: tooOld.message, next };
}

const failureOf = (run: Resource | undefined) => (run?.status as BackupRunStatus | undefined)?.failure;

const ageSeconds = (time: string, nowMs: number): number => Math.max(0, Math.round((nowMs - Date.parse(time)) / 1000));
