import type { BackupPolicySpec, BackupPolicyStatus } from '../../api/backup-policy.ts';
import type { IntervalOf } from '../../api/schedule-interval.ts';
import type { Resource } from '../../cluster/resource.ts';
import { groupByDatabase } from '../backup-policy/run-groups.ts';
import type { Family } from './exposition.ts';
import { Gauges, secondsBetween, secondsOf } from './gauges.ts';
import { endedOf, type RunFacts, type RunIndex } from './run-index.ts';

const help = {
  backstay_policy_info: 'A backup policy and the kind of its server.',
  backstay_policy_created_timestamp_seconds: 'When the policy was made.',
  backstay_policy_suspended: '1 while spec.suspend is true.',
  backstay_policy_condition: 'The conditions in the status of the policy, as they stand.',
  backstay_policy_last_success_timestamp_seconds:
    'The moment that the newest backup is of; with several databases, of the one least protected. Absent while there is no backup.',
  backstay_policy_rpo_seconds:
    'How much time would be lost now: the age of the newest backup. Absent while there is none.',
  backstay_policy_next_run_timestamp_seconds: 'When the next scheduled run is due.',
  backstay_policy_consecutive_failures:
    'Runs that failed since the last one that succeeded; with several databases, of the worst of them.',
  backstay_policy_last_run_failed: '1 when the newest run that ended, of any database that is scheduled, failed.',
  backstay_schedule_created_timestamp_seconds: 'When the operator first saw the schedule.',
  backstay_schedule_interval_seconds: 'The longest pause between the next ticks of the schedule.',
  backstay_schedule_last_success_timestamp_seconds:
    'The moment that the newest backup of this schedule is of. Absent while there is none.',
  backstay_schedule_skipped_timestamp_seconds: 'The newest tick for which no run was made.',
} as const;
type Name = keyof typeof help;

export function policyFamilies(
  policies: readonly Resource[],
  runs: RunIndex,
  intervalOf: IntervalOf,
  nowMs: number,
): Family[] {
  const gauges = new Gauges<Name>(help);
  for (const policy of policies) setPolicy(gauges, policy, runs, intervalOf, nowMs);
  return gauges.families();
}

/** What one policy says of itself and of its runs. */
function setPolicy(gauges: Gauges<Name>, policy: Resource, runs: RunIndex, intervalOf: IntervalOf, nowMs: number) {
  const { name, namespace, creationTimestamp } = policy.metadata;
  const spec = (policy.spec ?? {}) as Partial<BackupPolicySpec>;
  const status = (policy.status ?? {}) as BackupPolicyStatus;
  const labels = { namespace, policy: name };
  const own = runs.of(namespace, name);
  const lastSuccess = secondsOf(status.lastSuccess?.time);
  gauges.set('backstay_policy_info', { ...labels, engine: spec.engine ?? '' }, 1);
  gauges.set('backstay_policy_created_timestamp_seconds', labels, secondsOf(creationTimestamp));
  gauges.set('backstay_policy_suspended', labels, spec.suspend === true ? 1 : 0);
  for (const { type, status: word, reason } of status.conditions ?? [])
    gauges.set('backstay_policy_condition', { ...labels, type, status: word, reason }, 1);
  gauges.set('backstay_policy_last_success_timestamp_seconds', labels, lastSuccess);
  gauges.set('backstay_policy_rpo_seconds', labels, secondsBetween(lastSuccess, nowMs / 1000));
  gauges.set('backstay_policy_next_run_timestamp_seconds', labels, secondsOf(status.nextRun));
  const failures = Math.max(0, ...groupByDatabase(spec.schedules ?? [], own).map(({ runs }) => failuresInARow(runs)));
  gauges.set('backstay_policy_consecutive_failures', labels, failures);
  gauges.set('backstay_policy_last_run_failed', labels, failures > 0 ? 1 : 0);
  for (const schedule of spec.schedules ?? []) {
    const more = { ...labels, schedule: schedule.name };
    const state = status.schedules?.find((one) => one.name === schedule.name);
    const beganS = secondsOf(state?.firstSeen) ?? secondsOf(creationTimestamp);
    gauges.set('backstay_schedule_created_timestamp_seconds', more, beganS);
    gauges.set('backstay_schedule_interval_seconds', more, intervalOf(schedule, nowMs));
    const success = newestBackupS(own.filter((run) => run.schedule === schedule.name));
    gauges.set('backstay_schedule_last_success_timestamp_seconds', more, success);
    gauges.set('backstay_schedule_skipped_timestamp_seconds', more, secondsOf(state?.lastSkipped?.tick));
  }
}

/** A run that another cluster's ownership refused is no failure: the policy is ReadOnly and says so itself. */
function failuresInARow(runs: readonly RunFacts[]): number {
  const ended = endedOf(runs).filter(({ reason }) => reason !== 'ReadOnly');
  const success = ended.findIndex(({ phase }) => phase === 'Succeeded');
  return success === -1 ? ended.length : success;
}

function newestBackupS(runs: readonly RunFacts[]): number | undefined {
  const moments = runs.flatMap(({ phase, consistentAtS }) => (phase === 'Succeeded' ? (consistentAtS ?? []) : []));
  return moments.length === 0 ? undefined : Math.max(...moments);
}
