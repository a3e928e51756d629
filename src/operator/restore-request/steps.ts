import { checkForeignSource } from '../../api/foreign-source.ts';
import { checkMode, type Mode } from '../../api/mode.ts';
import { checkNameLength } from '../../api/names.ts';
import { parseSpec } from '../../api/parse.ts';
import type { RestoreRequestSpec, RestoreRequestStatus } from '../../api/restore-request.ts';
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
import { beginRecord, judgeTask, type TaskVerdict } from '../judge-task.ts';
import { withOwnReport } from '../own-report.ts';
import { progressOf } from '../progress.ts';
import { refuseOld } from '../refuse-old.ts';
import { hold, isHeld, release, releaseDeleted, removeTasks } from '../release.ts';
import { restoreTask } from '../task-name.ts';
import type { Timings } from '../timings.ts';
import { chooseImage, refusedForNow, type ToolImageOptions } from '../tool-image.ts';
import { serverIdentity } from '../turn/identity.ts';
import type { Turns } from '../turn/turns.ts';
import { orElse, type Step } from '../walk.ts';
import * as next from './outcome.ts';
import { checkStillGranted, findBasis, findSource, isForeign, type SourcePlace } from './source.ts';
import { type ChosenSource, restoreTaskSpec } from './task.ts';

export interface RequestReconcilerOptions extends ToolImageOptions {
  objects: Objects;
  runner: Runner;
  mode: Mode;
  timings: Timings;
  log: Logger;
  /** The namespaces that the operator looks after; none: all of them. */
  namespaces: readonly string[];
  turns: Turns;
}

/** One look at one request. Steps fill it in for the steps after them. */
export interface Visit {
  readonly options: RequestReconcilerOptions;
  readonly nowMs: number;
  readonly state: next.RequestState;
  request: Resource;
  /** The request as a step wrote it, when it did. */
  written?: Resource;
  spec?: RestoreRequestSpec;
  source?: ChosenSource;
  seen?: Seen;
}

interface Seen {
  record: TaskRecord;
  observation: Observation;
  verdict: TaskVerdict;
}

export function createVisit(options: RequestReconcilerOptions, request: Resource, nowMs: number): Visit {
  const { conditions: _ours, observedGeneration: _too, ...state } = (request.status ?? {}) as RestoreRequestStatus;
  return { options, nowMs, state, request };
}

/** The life of a request, in order. */
export const restoreRequestSteps: readonly Step<Visit>[] = [
  { name: 'release-deleted', take: releaseIfDeleted },
  { name: 'close-finished', take: closeFinished },
  { name: 'read-spec', take: readSpec },
  { name: 'choose-backup', take: choose },
  { name: 'wait-for-turn', take: waitForTurn },
  { name: 'hold', take: orElse(holdRequest, giveBack) },
  { name: 'write-intent', take: orElse(writeIntent, giveBack) },
  { name: 'observe-task', take: observeTask },
  { name: 'check-grant', take: checkGrant },
  { name: 'choose-image', take: chooseToolImage },
  { name: 'start-task', take: startTask },
  { name: 'stop-task', take: stopTask },
  { name: 'write-progress', take: writeProgress },
  { name: 'write-outcome', take: writeOutcome },
];

const taskNames = ({ request, state }: Visit): string[] =>
  state.task === undefined ? [] : [restoreTask(request.metadata.name)];

function sourcePlace(
  { metadata }: Resource,
  { source }: RestoreRequestSpec,
  { objects, mode, namespaces }: RequestReconcilerOptions,
): SourcePlace {
  return { objects, mode, namespaces, reader: metadata.namespace, source };
}

const taskKey = ({ metadata: { namespace, name } }: Resource) => ({ namespace, name: restoreTask(name) });

async function releaseIfDeleted(visit: Visit): Promise<ReconcileResult | undefined> {
  const { request, options, nowMs } = visit;
  if (request.metadata.deletionTimestamp === undefined) return undefined;
  return releaseDeleted(request, taskNames(visit), nowMs, options);
}

/** What a request that is over says never changes; its task goes now that its end is written down. */
async function closeFinished(visit: Visit): Promise<ReconcileResult | undefined> {
  const { request, state, options } = visit;
  if (state.phase !== 'Succeeded' && state.phase !== 'Failed') return undefined;
  if (!isHeld(request)) return { outcome: next.finalOutcome(state) };
  const left = await removeTasks(request, taskNames(visit), options);
  if (left.length > 0) return { outcome: next.finalOutcome(state, options.timings.recheckMs) };
  return { outcome: next.finalOutcome(state), written: await release(request, options) };
}

async function readSpec(visit: Visit): Promise<ReconcileResult | undefined> {
  try {
    visit.spec = parseSpec('RestoreRequest', visit.request.spec);
    checkMode('RestoreRequest', visit.spec, visit.options.mode);
    checkNameLength('RestoreRequest', visit.request.metadata.name);
    checkForeignSource(visit.spec, visit.request.metadata.namespace, visit.options.mode);
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return fail(visit, error);
    throw error;
  }
}

/** Nothing is touched here: a request that names no backup ends before a task is asked for. */
async function choose(visit: Visit): Promise<ReconcileResult | undefined> {
  const { request, state, spec, options, nowMs } = visit;
  if (state.task !== undefined || spec === undefined) return undefined;
  const hasTime = nowMs - Date.parse(request.metadata.creationTimestamp) < options.timings.referenceMs;
  const place: SourcePlace = {
    ...sourcePlace(request, spec, options),
    absence: hasTime ? 'remembered' : 'sure',
  };
  try {
    visit.source = await findSource(place, spec.target);
    return undefined;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const mayCome = error.reason === 'ReferenceMissing' || error.reason === 'ReferenceNotGranted';
    if (!mayCome || !hasTime) return fail(visit, error);
    const status = next.outOfLine(state);
    return { outcome: waiting(error.reason, `${error.sentence}. ${error.hint}`, options.timings.recheckMs), status };
  }
}

async function waitForTurn({ request, spec, state, options, nowMs }: Visit): Promise<ReconcileResult | undefined> {
  if (state.task !== undefined || spec === undefined) return undefined;
  const server = serverIdentity(spec.target, request.metadata.namespace, options.mode);
  const notYet = await options.turns.take(request, { server }, nowMs);
  if (notYet === undefined) return undefined;
  return { outcome: notYet.outcome, status: { ...next.outOfLine(state), turn: notYet.turn } };
}

async function holdRequest(visit: Visit): Promise<undefined> {
  if (isHeld(visit.request)) return;
  // Before the intent: a request that is deleted at any moment after it has its task stopped.
  visit.written = await hold(visit.request, visit.options);
  visit.request = visit.written;
}

async function writeIntent({ request, spec, source, state, nowMs }: Visit): Promise<ReconcileResult | undefined> {
  if (state.task !== undefined || spec === undefined || source === undefined) return undefined;
  const status: next.RequestState = {
    ...state,
    phase: 'Preparing',
    startedAt: timestamp(nowMs),
    source,
    task: beginRecord(nowMs, parseDurationMs(spec.startingDeadline), spec.runningDeadline),
    currentTask: restoreTask(request.metadata.name),
  };
  return { outcome: after(0, 'Preparing', `run ${source.run} is about to be restored`), status };
}

/** Who cannot begin after all must not keep its turn from others; it asks for it again at its next visit. */
function giveBack(visit: Visit, error: unknown): ReconcileResult {
  if (visit.state.task !== undefined) throw error;
  return { outcome: failed(error), status: next.outOfLine(visit.state) };
}

async function observeTask(visit: Visit): Promise<undefined> {
  const { request, state, options, nowMs } = visit;
  if (state.task === undefined) throw new Error('a task was to be there');
  const observation = withOwnReport(await options.runner.observe(taskKey(request)), request.metadata.uid);
  visit.seen = { record: state.task, observation, verdict: judgeTask(state.task, observation, nowMs) };
}

/**
 * Who takes a grant back wants the reading to end, not only not to begin. A restore is one transaction: stopped in the
 * middle it leaves the target as empty as before.
 */
async function checkGrant({ request, spec, state, options, seen }: Visit): Promise<undefined> {
  if (seen?.verdict.kind !== 'wait' || spec === undefined || state.source === undefined) return;
  const place = sourcePlace(request, spec, options);
  if (!isForeign(place)) return;
  try {
    await checkStillGranted(place, state.source.policy);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const stopping = { reason: error.reason, message: `${error.sentence} any more` };
    seen.verdict = { kind: 'stop', record: { ...seen.verdict.record, stopping } };
  }
}

/** Which image it is, or what it waits for, is in the status before the task is asked for. */
async function chooseToolImage(visit: Visit): Promise<ReconcileResult | undefined> {
  const { request, spec, state, options, nowMs, seen } = visit;
  if (seen?.verdict.kind !== 'start' || spec === undefined || state.source === undefined) return undefined;
  const { policy: policyName, namespace = request.metadata.namespace, toolImage: recorded } = state.source;
  try {
    const { image: policy } = await findBasis(sourcePlace(request, spec, options), policyName);
    const wanted = { policy, namespace, named: spec.toolImages?.restore, recorded };
    const choice = await chooseImage(seen.record, wanted, options);
    switch (choice.kind) {
      case 'settled':
        return undefined;
      case 'chosen':
        return next.prepare(state, choice.record);
      case 'held-up':
        return next.holdUp(state, choice, options.timings);
      case 'refused':
        return next.endTask(state, seen.record, { kind: 'failed', failure: choice.failure }, nowMs);
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { reason, sentence: message, hint } = error;
    return next.endTask(state, seen.record, { kind: 'failed', failure: { reason, message, hint } }, nowMs);
  }
}

async function startTask(visit: Visit): Promise<ReconcileResult | undefined> {
  const { request, spec, state, options, nowMs, seen } = visit;
  if (seen?.verdict.kind !== 'start' || spec === undefined || state.source === undefined) return undefined;
  try {
    const basis = await findBasis(sourcePlace(request, spec, options), state.source.policy);
    await refuseOld(options.objects, request);
    await options.runner.start(restoreTaskSpec(request, spec, basis, state.source, seen.record));
  } catch (error) {
    const heldUp = refusedForNow(seen.record, error);
    if (heldUp !== undefined) return next.holdUp(state, heldUp, options.timings);
    if (!(error instanceof Fault)) throw error;
    const { reason, sentence: message, hint } = error;
    return next.endTask(state, seen.record, { kind: 'failed', failure: { reason, message, hint } }, nowMs);
  }
  const { waitingFor: _over, ...begun } = seen.record;
  const task = { ...begun, acceptedAt: timestamp(nowMs) };
  return {
    outcome: after(options.timings.recheckMs, 'Preparing', 'the task has not begun yet'),
    status: { ...state, task },
  };
}

/** Only what the status already tells is done; a stop that is not written yet is written by the next step. */
async function stopTask({ request, options, seen }: Visit): Promise<undefined> {
  if (seen?.verdict.kind !== 'stop' || seen.record.stopping === undefined) return;
  await options.runner.stop(taskKey(request));
}

async function writeProgress({ state, options, seen }: Visit): Promise<ReconcileResult | undefined> {
  if (seen === undefined || (seen.verdict.kind !== 'wait' && seen.verdict.kind !== 'stop')) return undefined;
  const progress = progressOf(state.progress, seen.observation, options.timings);
  return next.goOn({ ...state, progress }, seen.record, seen.verdict, options.timings);
}

async function writeOutcome({ state, nowMs, seen }: Visit): Promise<ReconcileResult | undefined> {
  const verdict = seen?.verdict;
  return verdict?.kind === 'ended' ? next.endTask(state, verdict.record, verdict.end, nowMs) : undefined;
}

function fail({ state, nowMs }: Visit, { reason, sentence: message, hint }: Fault): ReconcileResult {
  return next.failRequest(state, { reason, message, hint }, nowMs);
}
