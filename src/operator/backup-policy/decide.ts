import type { BackupPolicySpec, BackupPolicyStatus, PolicySchedule } from '../../api/backup-policy.ts';
import type { RunPhase } from '../../api/backup-run.ts';
import type { StateReason } from '../../api/conditions.ts';
import { timestamp } from '../../base/clock.ts';
import { done, type Outcome, stalled, waiting } from '../../cluster/outcome.ts';
import { describeBytes } from '../describe-bytes.ts';
import { ticksOf } from './next-run.ts';
import { runName } from './run-name.ts';

/** What a policy wants to know of its runs. */
export interface RunView {
  name: string;
  schedule: string | undefined;
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
    if (dueMs === undefined) return before ?? { name: schedule.name, lastTick: timestamp(nowMs) };
    const tick = timestamp(dueMs);
    const lastTick = ticks.dueMs === undefined ? timestamp(nowMs) : tick;
    const run = runName(name, schedule.name, dueMs);
    // Made before a kill: the tick has its run, and must not be called skipped because of it.
    if (runs.some((one) => one.name === run)) return { ...before, name: schedule.name, lastTick };
    const skipped = whySkipped(spec, schedule, runs);
    if (skipped !== undefined) return { name: schedule.name, lastTick, lastSkipped: { tick, message: skipped } };
    create.push({ schedule, name: run, tick });
    return { ...before, name: schedule.name, lastTick };
  });
  const soonestMs = nextMs.length === 0 ? undefined : Math.min(...nextMs);
  const newestFirst = [...runs].sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : 0));
  const newest = newestFirst[0];
  const success = newestFirst.filter(({ phase }) => phase === 'Succeeded').sort(byMoment)[0];
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
    outcome: outcomeOf(spec, newestFirst, soonestMs === undefined ? undefined : soonestMs - nowMs),
  };
}

const byMoment = (a: RunView, b: RunView): number =>
  (a.set?.consistentAt ?? '') < (b.set?.consistentAt ?? '') ? 1 : -1;

const isOver = ({ phase }: RunView): boolean => phase === 'Succeeded' || phase === 'Failed';

function whySkipped(spec: BackupPolicySpec, schedule: PolicySchedule, runs: readonly RunView[]): string | undefined {
  if (spec.suspend) return 'the policy was suspended';
  // Runs of one policy wait for each other; without this rule a slow one would gather a queue behind it.
  const open = runs.find((run) => run.schedule === schedule.name && !isOver(run));
  return open === undefined ? undefined : `run ${open.name} of the same schedule was not over`;
}

function outcomeOf(spec: BackupPolicySpec, newestFirst: readonly RunView[], untilNextMs: number | undefined): Outcome {
  const say = (reason: StateReason<'BackupPolicy'>, message: string): Outcome => done(reason, message, untilNextMs);
  if (spec.suspend) return say('Suspended', 'spec.suspend is true: no run is started');
  const over = newestFirst.find(isOver);
  if (over === undefined) return say('NeverRun', 'no run has ended yet: there is nothing to restore from');
  if (over.phase === 'Failed') {
    const { reason = 'Internal', message = 'the reason is not known' } = over.failure ?? {};
    if (reason === 'ReadOnly') return say('ReadOnly', message);
    const text = `run ${over.name} failed: ${message}`;
    return untilNextMs === undefined ? stalled(reason, text) : waiting(reason, text, untilNextMs);
  }
  const message = `run ${over.name} succeeded: the backup is of ${over.set?.consistentAt ?? 'an unknown time'}`;
  return say(untilNextMs === undefined ? 'ByHand' : 'Scheduled', message);
}
