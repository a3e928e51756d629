import type { BackupPolicySpec } from '../../api/backup-policy.ts';
import type { BackupRunSpec, BackupRunStatus } from '../../api/backup-run.ts';
import type { Mode } from '../../api/mode.ts';
import { checkNameLength } from '../../api/names.ts';
import { parseSpec } from '../../api/parse.ts';
import type { TaskRecord } from '../../api/status-field.ts';
import { timestamp } from '../../base/clock.ts';
import { parseDurationMs } from '../../base/duration.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import type { Objects } from '../../cluster/objects.ts';
import { after, failed, waiting } from '../../cluster/outcome.ts';
import type { Resource } from '../../cluster/resource.ts';
import type { Observation, Runner } from '../../cluster/runner.ts';
import type { ReconcileResult } from '../../cluster/status.ts';
import { findPolicy } from '../find-policy.ts';
import { judgeTask, type TaskVerdict } from '../judge-task.ts';
import { withOwnReport } from '../own-report.ts';
import { progressOf } from '../progress.ts';
import { refuseOld } from '../refuse-old.ts';
import { hold, isHeld, release, releaseDeleted, removeTasks } from '../release.ts';
import type { Timings } from '../timings.ts';
import { chooseImage, imageForIntent, refusedForNow, type ToolImageOptions } from '../tool-image.ts';
import { serverIdentity, storeIdentity } from '../turn/identity.ts';
import type { Needs, Turns } from '../turn/turns.ts';
import { orElse, type Step } from '../walk.ts';
import { type CurrentTask, currentTask, taskNames } from './current-task.ts';
import { movedAway } from './moved.ts';
import * as next from './outcome.ts';
import { backupTask, inspectTask } from './task.ts';

export interface RunReconcilerOptions extends ToolImageOptions {
  objects: Objects;
  runner: Runner;
  mode: Mode;
  timings: Timings;
  log: Logger;
  /** Name of this cluster or home, for the owner record. */
  clusterId: string;
  turns: Turns;
}

/** One look at one run. Steps fill it in for the steps after them. */
export interface Visit {
  readonly options: RunReconcilerOptions;
  readonly nowMs: number;
  state: next.RunState;
  run: Resource;
  /** The run as a step wrote it, when it did. */
  written?: Resource;
  spec?: BackupRunSpec;
  policy?: BackupPolicySpec;
  seen?: { task: CurrentTask; observation: Observation; verdict: TaskVerdict };
}

export function createVisit(options: RunReconcilerOptions, run: Resource, nowMs: number): Visit {
  const { conditions: _ours, observedGeneration: _too, ...state } = (run.status ?? {}) as BackupRunStatus;
  return { options, nowMs, state, run };
}

/** The life of a run, in order. */
export const backupRunSteps: readonly Step<Visit>[] = [
  { name: 'release-deleted', take: releaseIfDeleted },
  { name: 'close-finished', take: closeFinished },
  { name: 'read-spec', take: readSpec },
  { name: 'find-policy', take: readPolicy },
  { name: 'wait-for-turn', take: waitForTurn },
  { name: 'hold', take: orElse(holdRun, giveBack) },
  { name: 'write-intent', take: orElse(writeIntent, giveBack) },
  { name: 'observe-task', take: observeTask },
  { name: 'check-place', take: checkPlace },
  { name: 'choose-image', take: chooseToolImage },
  { name: 'start-task', take: startTask },
  { name: 'stop-task', take: stopTask },
  { name: 'write-progress', take: writeProgress },
  { name: 'write-outcome', take: writeOutcome },
];

async function releaseIfDeleted({ run, options, nowMs, state }: Visit): Promise<ReconcileResult | undefined> {
  if (run.metadata.deletionTimestamp === undefined) return undefined;
  return releaseDeleted(run, taskNames(run, state), nowMs, options);
}

/** What a run that is over says never changes; its tasks go now that their end is written down. */
async function closeFinished({ run, state, options }: Visit): Promise<ReconcileResult | undefined> {
  if (state.phase !== 'Succeeded' && state.phase !== 'Failed') return undefined;
  if (!isHeld(run)) return { outcome: next.finalOutcome(state) };
  const left = await removeTasks(run, taskNames(run, state), options);
  if (left.length > 0) return { outcome: next.finalOutcome(state, options.timings.recheckMs) };
  return { outcome: next.finalOutcome(state), written: await release(run, options) };
}

async function readSpec(visit: Visit): Promise<ReconcileResult | undefined> {
  try {
    visit.spec = parseSpec('BackupRun', visit.run.spec);
    checkNameLength('BackupRun', visit.run.metadata.name);
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return failRun(visit, error);
    throw error;
  }
}

/** A run that has a task can do without its policy until the next task has to be asked for. */
async function readPolicy(visit: Visit): Promise<ReconcileResult | undefined> {
  const { run, spec, state, options, nowMs } = visit;
  const { objects, mode, timings } = options;
  const hasTask = currentTask(run, state) !== undefined;
  const mayCome = nowMs - Date.parse(run.metadata.creationTimestamp) < timings.referenceMs;
  const absence = hasTask || mayCome ? 'remembered' : 'sure';
  try {
    visit.policy = await findPolicy(objects, run.metadata.namespace, spec?.policyName ?? '', mode, absence);
    // Begun by an operator that wrote down no server: what it works on now is the best that is known.
    if (next.hasBegun(state)) visit.state = { turn: needsOf(visit, visit.policy), ...state };
    return undefined;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (hasTask) return undefined;
    if (error.reason !== 'ReferenceMissing' || !mayCome) return failRun(visit, error);
    const status = next.outOfLine(state);
    return { outcome: waiting(error.reason, error.sentence, timings.recheckMs), status };
  }
}

function needsOf({ run, options }: Visit, policy: BackupPolicySpec): Needs {
  const { namespace } = run.metadata;
  const server = serverIdentity(policy.target, namespace, options.mode);
  const s3 = policy.stores[0]?.s3;
  return { server, store: storeIdentity(policy, namespace), ...(s3 !== undefined && { prefix: s3.prefix ?? '' }) };
}

async function waitForTurn(visit: Visit): Promise<ReconcileResult | undefined> {
  const { run, state, options, policy, nowMs } = visit;
  if (policy === undefined || currentTask(run, state) !== undefined) return undefined;
  const last = state.attempts?.at(-1);
  if (last !== undefined) {
    const pauseMs = next.retryPauseMs(last.outcome ?? '', options.timings);
    const restMs = Date.parse(last.endedAt ?? '') + pauseMs - nowMs;
    const message = `attempt ${last.number} failed: ${last.outcome}; there will be another one`;
    return restMs > 0
      ? { outcome: after(restMs, 'Retrying', message), status: { ...state, phase: 'Pending' } }
      : undefined;
  }
  const status = next.outOfLine(state);
  if (policy.suspend) {
    const message = 'the policy is suspended: the run waits until it is not';
    return { outcome: after(options.timings.recheckMs, 'Suspended', message), status };
  }
  const notYet = await options.turns.take(run, needsOf(visit, policy), nowMs);
  return notYet === undefined ? undefined : { outcome: notYet.outcome, status: { ...status, turn: notYet.turn } };
}

async function holdRun(visit: Visit): Promise<undefined> {
  if (isHeld(visit.run)) return;
  // Before the first intent: a run that is deleted at any moment after it has its task stopped.
  visit.written = await hold(visit.run, visit.options);
  visit.run = visit.written;
}

async function writeIntent(visit: Visit): Promise<ReconcileResult | undefined> {
  const { run, state, policy, options, nowMs } = visit;
  if (policy === undefined || currentTask(run, state) !== undefined) return undefined;
  const moved = movedAway(state.turn, needsOf(visit, policy), 'backup');
  if (moved !== undefined) return next.failRun(state, moved, nowMs);
  const { stores, startingDeadline, runningDeadline } = policy;
  const plan = {
    store: stores[0]?.name ?? '',
    startingMs: parseDurationMs(startingDeadline),
    runningDeadline,
    toolImage: await imageForIntent({ policy, namespace: run.metadata.namespace }, options),
  };
  return next.beginAttempt(state, run.metadata.name, plan, nowMs);
}

/** Who cannot begin after all must not keep its turn from others; it asks for it again at its next visit. */
function giveBack(visit: Visit, error: unknown): ReconcileResult {
  if (next.hasBegun(visit.state)) throw error;
  return { outcome: failed(error), status: next.outOfLine(visit.state) };
}

async function observeTask(visit: Visit): Promise<ReconcileResult | undefined> {
  const { run, state, options, nowMs } = visit;
  const task = currentTask(run, state);
  if (task === undefined) throw new Error('an attempt was to be there');
  if (task.inspection?.endedAt !== undefined) {
    const againMs = Date.parse(task.inspection.endedAt) + options.timings.inspectAgainMs * task.inspection.number;
    if (nowMs >= againMs) return next.beginInspection(state, run.metadata.name, task.attempt, nowMs);
    return { outcome: after(againMs - nowMs, 'Inspecting', 'the store will be looked into again') };
  }
  const { namespace, uid } = run.metadata;
  const observation = withOwnReport(await options.runner.observe({ namespace, name: task.name }), uid);
  visit.seen = { task, observation, verdict: judgeTask(task.record, observation, nowMs) };
  return undefined;
}

/** Between its intent and its start the operator may have been away for long: the policy may mean another place by now. */
async function checkPlace(visit: Visit): Promise<ReconcileResult | undefined> {
  const { policy, state, seen, nowMs } = visit;
  if (seen?.verdict.kind !== 'start' || policy === undefined) return undefined;
  const kind = seen.task.inspection === undefined ? 'backup' : 'inspection';
  const failure = movedAway(state.turn, needsOf(visit, policy), kind);
  if (failure === undefined) return undefined;
  return end(visit, { ...seen.task.record, endedAt: timestamp(nowMs) }, { kind: 'failed', failure });
}

/** Which image it is, or what it waits for, is in the status before the task is asked for. */
async function chooseToolImage(visit: Visit): Promise<ReconcileResult | undefined> {
  const { run, policy, state, options, seen } = visit;
  if (seen?.verdict.kind !== 'start' || seen.task.inspection !== undefined || policy === undefined) return undefined;
  const { attempt } = seen.task;
  const choice = await chooseImage(attempt, { policy, namespace: run.metadata.namespace }, options);
  switch (choice.kind) {
    case 'settled':
      return undefined;
    case 'chosen':
      return next.prepare(state, { ...attempt, ...choice.record });
    case 'held-up':
      return next.holdUp(state, attempt, choice, options.timings);
    case 'refused':
      return end(visit, attempt, { kind: 'failed', failure: choice.failure });
  }
}

async function startTask(visit: Visit): Promise<ReconcileResult | undefined> {
  const { run, spec, policy, state, options, nowMs, seen } = visit;
  if (seen?.verdict.kind !== 'start') return undefined;
  const { recheckMs } = options.timings;
  if (policy === undefined || spec === undefined) {
    return {
      outcome: waiting('ReferenceMissing', `there is no BackupPolicy ${spec?.policyName} to go on with`, recheckMs),
    };
  }
  await refuseOld(options.objects, run);
  const { attempt, inspection } = seen.task;
  const input = { run, spec, policy, clusterId: options.clusterId };
  try {
    await options.runner.start(
      inspection === undefined ? backupTask(input, attempt) : inspectTask(input, attempt, inspection),
    );
  } catch (error) {
    const heldUp = refusedForNow(attempt, error);
    if (heldUp !== undefined && inspection === undefined) return next.holdUp(state, attempt, heldUp, options.timings);
    if (!(error instanceof Fault)) throw error;
    const { reason, sentence: message, hint } = error;
    return end(
      visit,
      { ...seen.task.record, endedAt: timestamp(nowMs) },
      { kind: 'failed', failure: { reason, message, hint } },
    );
  }
  const acceptedAt = timestamp(nowMs);
  const { waitingFor: _over, ...begun } = attempt;
  const accepted =
    inspection === undefined ? { ...begun, acceptedAt } : { ...attempt, inspection: { ...inspection, acceptedAt } };
  const reason = inspection === undefined ? 'Starting' : 'Inspecting';
  return { outcome: after(recheckMs, reason, 'the task has not begun yet'), status: next.withAttempt(state, accepted) };
}

/** Only what the status already tells is done; a stop that is not written yet is written by the next step. */
async function stopTask({ run, options, seen }: Visit): Promise<undefined> {
  if (seen?.verdict.kind !== 'stop' || seen.task.record.stopping === undefined) return;
  await options.runner.stop({ namespace: run.metadata.namespace, name: seen.task.name });
}

async function writeProgress({ state, options, seen }: Visit): Promise<ReconcileResult | undefined> {
  if (seen === undefined || (seen.verdict.kind !== 'wait' && seen.verdict.kind !== 'stop')) return undefined;
  const { attempt, inspection } = seen.task;
  if (inspection !== undefined) return next.goOnInspecting(state, attempt, inspection, seen.verdict, options.timings);
  const progress = progressOf(state.progress, seen.observation, options.timings);
  return next.goOn({ ...state, progress }, attempt, seen.verdict, options.timings);
}

async function writeOutcome(visit: Visit): Promise<ReconcileResult | undefined> {
  const verdict = visit.seen?.verdict;
  return verdict?.kind === 'ended' ? end(visit, verdict.record, verdict.end) : undefined;
}

function end(
  { run, state, options, nowMs, seen }: Visit,
  record: TaskRecord,
  how: Extract<TaskVerdict, { kind: 'ended' }>['end'],
) {
  if (seen === undefined) throw new Error('a task was to be seen');
  const { attempt, inspection } = seen.task;
  return inspection === undefined
    ? next.endAttempt(state, run.metadata.name, { ...attempt, ...record }, how, nowMs, options.timings)
    : next.endInspection(state, attempt, { ...inspection, ...record }, how, nowMs, options.timings);
}

function failRun({ state, nowMs }: Visit, { reason, sentence: message, hint }: Fault): ReconcileResult {
  return next.failRun(state, { reason, message, hint }, nowMs);
}
