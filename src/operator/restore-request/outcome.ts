import type { RestoreRequestStatus } from '../../api/restore-request.ts';
import type { TaskRecord } from '../../api/status-field.ts';
import { timestamp } from '../../base/clock.ts';
import { describeBytes } from '../../base/describe-bytes.ts';
import { describeDuration } from '../../base/duration.ts';
import { isReason, reasons } from '../../base/reasons.ts';
import { after, done, type Outcome, stalled, waiting } from '../../cluster/outcome.ts';
import type { ReconcileResult } from '../../cluster/status.ts';
import { type Failure, failureOf, stoppedBy, type TaskEnd, type TaskVerdict } from '../judge-task.ts';
import type { Timings } from '../timings.ts';
import type { ImageChoice } from '../tool-image.ts';

// Pure: from what was found out to what the status must say next. The first argument is always the status as it is.

/** The status without what the status writer adds. */
export type RequestState = Omit<RestoreRequestStatus, 'conditions' | 'observedGeneration'>;

/** The image is found: it must be in the status before the task is asked for. */
export function prepare(state: RequestState, task: TaskRecord): ReconcileResult {
  return { outcome: after(0, 'Preparing', 'the task is about to start'), status: { ...state, task } };
}

/** The task cannot be asked for yet. */
export function holdUp(
  state: RequestState,
  { record, reason, message }: Extract<ImageChoice, { kind: 'held-up' }>,
  { recheckMs }: Timings,
): ReconcileResult {
  return { outcome: waiting(reason, message, recheckMs), status: { ...state, task: record } };
}

/** Waiting, and not for its turn: whoever cannot use a turn must not keep it from others. */
export function outOfLine({ turn: _none, ...state }: RequestState): RequestState {
  return { ...state, phase: 'Validating' };
}

/** The task goes on, or is being stopped. */
export function goOn(
  state: RequestState,
  record: TaskRecord,
  verdict: Extract<TaskVerdict, { kind: 'wait' | 'stop' }>,
  { recheckMs }: Timings,
): ReconcileResult {
  const status: RequestState = { ...state, task: verdict.record };
  if (verdict.kind === 'stop') {
    const { reason = 'Stopped', message = '' } = verdict.record.stopping ?? {};
    // Why the task is stopped must be in the status before it is: then the next visit follows at once.
    return { outcome: waiting(reason, message, record.stopping === undefined ? 0 : recheckMs), status };
  }
  const { reason, message, isHeldUp, phase } = verdict;
  if (phase === 'Running') {
    const text = 'the backup is being checked, restored and compared';
    return { outcome: after(recheckMs, 'Replaying', text), status: { ...status, phase: 'Replaying' } };
  }
  return { outcome: isHeldUp ? waiting(reason, message, recheckMs) : after(recheckMs, 'Preparing', message), status };
}

/**
 * The task is over. A restore is never tried again by itself: what stands in the target after an accident is for a
 * person to look at, and another request is one command away.
 */
export function endTask(state: RequestState, record: TaskRecord, end: TaskEnd, nowMs: number): ReconcileResult {
  if (end.kind === 'reported' && end.report.outcome === 'restored') {
    const { failure: _none, ...rest } = closed(state, { ...record, outcome: 'Succeeded' }, nowMs);
    const status: RequestState = { ...rest, phase: 'Succeeded', result: end.report.restore };
    return { outcome: finalOutcome(status, 0), status };
  }
  const failure = end.kind === 'failed' ? withTheWayOn(end.failure) : unknownEnd(record, end);
  return failRequest(closed(state, { ...record, outcome: failure.reason }, nowMs), failure, nowMs);
}

/** What a backup would try again by itself is left to a person here, and the hint of the reason does not say so. */
function withTheWayOn(failure: Failure): Failure {
  if (!isReason(failure.reason) || reasons[failure.reason].retry === 'never') return failure;
  return { ...failure, hint: `${failure.hint} A restore is not tried again by itself: then make another request.` };
}

function unknownEnd(record: TaskRecord, end: Exclude<TaskEnd, { kind: 'failed' }>): Failure {
  const detail = end.kind === 'unknown' ? end.detail : `it answered ${end.report.outcome}`;
  const { reason, message } = stoppedBy(record) ?? {
    reason: 'AgentLost',
    message: 'the restore ended without a report',
  };
  return {
    ...failureOf('AgentLost', `${message} (${detail})`),
    reason,
    hint:
      'The restore is one transaction: the database is either as empty as before, or complete and not compared. ' +
      'Look into it, empty it, and make another request.',
  };
}

/** The end of a request that failed, with or without a task. */
export function failRequest({ turn: _over, ...state }: RequestState, failure: Failure, nowMs: number): ReconcileResult {
  const status: RequestState = { ...state, phase: 'Failed', completedAt: timestamp(nowMs), failure };
  return { outcome: finalOutcome(status, 0), status };
}

function closed(state: RequestState, record: TaskRecord, nowMs: number): RequestState {
  const now = timestamp(nowMs);
  const { currentTask: _over, progress: _done, turn: _back, ...rest } = state;
  return {
    ...rest,
    task: { ...record, endedAt: record.endedAt ?? now },
    completedAt: now,
    duration: describeDuration(nowMs - Date.parse(state.startedAt ?? now)),
  };
}

/** What a request that is over says for ever. With `againMs` its task is still to be removed. */
export function finalOutcome({ result, source, failure }: RequestState, againMs?: number): Outcome {
  if (result !== undefined) {
    const { tableCount, rowCount, foreignKeyCount, bytes } = result;
    const what = `${tableCount} tables with ${rowCount} rows and ${foreignKeyCount} foreign keys, ${describeBytes(bytes)}`;
    return done('Succeeded', `${what}, as of ${source?.consistentAt}: restored and compared`, againMs);
  }
  const { reason = 'Internal', message = 'the reason is not known', hint = '' } = failure ?? {};
  return stalled(reason, `${message}. ${hint}`.trim(), againMs);
}
