import type { BackupPolicySpec, BackupPolicyStatus, PolicySchedule } from '../../api/backup-policy.ts';
import type { RunPhase } from '../../api/backup-run.ts';
import type { StateReason } from '../../api/conditions.ts';
import { timestamp } from '../../base/clock.ts';
import { describeBytes } from '../../base/describe-bytes.ts';
import { done, type Outcome, stalled, waiting } from '../../cluster/outcome.ts';
import { ticksOf } from './next-run.ts';
import { type Group, groupByDatabase, laterFirst, newestFirst } from './run-groups.ts';
import { runName } from './run-name.ts';

/** What a policy wants to know of its runs. */
export interface RunView {
  name: string;
  schedule: string | undefined;
  /** RFC 3339: the tick it was made for. */
  tick: string | undefined;
  database: string | undefined;
  createdAt: string;
  phase: RunPhase;
  set: { consistentAt: string; storedBytes: number } | undefined;
  failure: { reason: string; message: string } | undefined;
}

export interface Decision {
  /** Runs that must exist before the status is written. */
  create: { schedule: PolicySchedule; name: string; tick: string }[];
  status: Omit<BackupPolicyStatus, 'conditions' | 'observedGeneration'>;
  outcome: Outcome;
}

/** Pure: which runs are due, and what the policy's status says. `runs` in any order. */
export function decide(
  policy: { name: string; createdAt: string; spec: BackupPolicySpec; status: BackupPolicyStatus | undefined },
  runs: readonly RunView[],
  nowMs: number,
): Decision {
  const { spec, name } = policy;
  const create: Decision['create'] = [];
  const nextMs: number[] = [];
  const schedules = spec.schedules.map((schedule) => {
    const before = policy.status?.schedules?.find((one) => one.name === schedule.name);
    const lastTickMs = before === undefined ? nowMs : Date.parse(before.lastTick);
    const ticks = ticksOf(schedule, lastTickMs, nowMs);
    if (ticks.nextMs !== undefined) nextMs.push(ticks.nextMs);
    const first = before === undefined && schedule.immediate ? Date.parse(policy.createdAt) : undefined;
    // The first run is named after the policy's birth: a kill before the status is written must not make another one.
    const dueMs = ticks.dueMs ?? first;
    // A status that does not say it is of an older operator.
    const firstSeen = before?.firstSeen ?? before?.lastTick ?? timestamp(nowMs);
    if (dueMs === undefined) return { lastTick: timestamp(nowMs), ...before, name: schedule.name, firstSeen };
    const tick = timestamp(dueMs);
    const lastTick = ticks.dueMs === undefined ? timestamp(nowMs) : tick;
    const run = runName(name, schedule.name, dueMs);
    // Made before a kill: the tick has its run, and must not be called skipped because of it.
    const isIts = (one: RunView): boolean => one.name === run || (one.schedule === schedule.name && one.tick === tick);
    if (runs.some(isIts)) return { ...before, name: schedule.name, firstSeen, lastTick };
    const skipped = whySkipped(spec, schedule, runs);
    if (skipped !== undefined)
      return { name: schedule.name, firstSeen, lastTick, lastSkipped: { tick, message: skipped } };
    create.push({ schedule, name: run, tick });
    return { ...before, name: schedule.name, firstSeen, lastTick };
  });
  const soonestMs = nextMs.length === 0 ? undefined : Math.min(...nextMs);
  const sorted = [...runs].sort(newestFirst);
  const newest = sorted[0];
  const groups = groupByDatabase(spec.schedules, sorted);
  const success = leastProtected(groups);
  return {
    create,
    status: {
      ...(soonestMs !== undefined && !spec.suspend && { nextRun: timestamp(soonestMs) }),
      ...(newest !== undefined && { lastRun: { name: newest.name, phase: newest.phase, createdAt: newest.createdAt } }),
      ...(success?.set !== undefined && {
        lastSuccess: {
          run: success.name,
          time: success.set.consistentAt,
          storedBytes: success.set.storedBytes,
          size: describeBytes(success.set.storedBytes),
        },
      }),
      schedules,
    },
    outcome: outcomeOf(spec, groups, soonestMs === undefined ? undefined : soonestMs - nowMs),
  };
}

const byMoment = (a: RunView, b: RunView): number => laterFirst(a.set?.consistentAt ?? '', b.set?.consistentAt ?? '');

/** The newest backup of each database, and of these the oldest. */
function leastProtected(groups: readonly Group<RunView>[]): RunView | undefined {
  return groups
    .flatMap(({ runs }) => runs.filter(({ phase }) => phase === 'Succeeded').sort(byMoment)[0] ?? [])
    .sort(byMoment)
    .at(-1);
}

const isOver = ({ phase }: RunView): boolean => phase === 'Succeeded' || phase === 'Failed';

function whySkipped(spec: BackupPolicySpec, schedule: PolicySchedule, runs: readonly RunView[]): string | undefined {
  if (spec.suspend) return 'the policy was suspended';
  // Runs of one policy wait for each other; without this rule a slow one would gather a queue behind it.
  const open = runs.find((run) => run.schedule === schedule.name && !isOver(run));
  return open === undefined ? undefined : `run ${open.name} of the same schedule was not over`;
}

function outcomeOf(
  spec: BackupPolicySpec,
  groups: readonly Group<RunView>[],
  untilNextMs: number | undefined,
): Outcome {
  const say = (reason: StateReason<'BackupPolicy'>, message: string): Outcome => done(reason, message, untilNextMs);
  if (spec.suspend) return say('Suspended', 'spec.suspend is true: no run is started');
  const ended = groups.map(({ database, runs }) => ({ database, run: runs.find(isOver) }));
  const failed = ended.find(({ run }) => run?.phase === 'Failed')?.run;
  if (failed !== undefined) {
    const { reason = 'Internal', message = 'the reason is not known' } = failed.failure ?? {};
    if (reason === 'ReadOnly') return say('ReadOnly', message);
    const text = `run ${failed.name} failed: ${message}`;
    return untilNextMs === undefined ? stalled(reason, text) : waiting(reason, text, untilNextMs);
  }
  const never = ended.find(({ run }) => run === undefined);
  if (never !== undefined) {
    const of = groups.length > 1 ? ` of database "${never.database}"` : '';
    return say('NeverRun', `no run${of} has ended yet: there is nothing to restore from`);
  }
  const last = leastProtected(groups);
  const message = `run ${last?.name} succeeded: the backup is of ${last?.set?.consistentAt ?? 'an unknown time'}`;
  return say(untilNextMs === undefined ? 'ByHand' : 'Scheduled', message);
}
