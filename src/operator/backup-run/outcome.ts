import type { BackupRunStatus } from '../../api/backup-run.ts';
import type { Attempt } from '../../api/status-field.ts';
import { timestamp } from '../../base/clock.ts';
import { describeBytes } from '../../base/describe-bytes.ts';
import { describeDuration } from '../../base/duration.ts';
import { isReason, reasons } from '../../base/reasons.ts';
import { after, done, type Outcome, stalled, waiting } from '../../cluster/outcome.ts';
import type { ReconcileResult } from '../../cluster/status.ts';
import type { SetSummary } from '../../contract/report.ts';
import { beginRecord, type Failure, failureOf, stoppedBy, type TaskEnd, type TaskVerdict } from '../judge-task.ts';
import { attemptTask, inspectionTask } from '../task-name.ts';
import type { Timings } from '../timings.ts';
import type { ImageChoice } from '../tool-image.ts';

// Pure: from what was found out to what the status must say next. The first argument is always the status as it is.

/** The status without what the status writer adds. */
export type RunState = Omit<BackupRunStatus, 'conditions' | 'observedGeneration'>;
export type Inspection = NonNullable<Attempt['inspection']>;
type GoesOn = Extract<TaskVerdict, { kind: 'wait' | 'stop' }>;

const attemptsMax = 2;
const inspectionsMax = 5;

export const hasBegun = ({ attempts = [] }: RunState): boolean => attempts.length > 0;

/**
 * Waiting, and not for its turn: whoever cannot use a turn must not keep it from others. Between two attempts it is kept:
 * a run that has begun never asks for one again.
 */
export function outOfLine({ turn, ...state }: RunState): RunState {
  return { ...state, phase: 'Pending', ...(turn !== undefined && hasBegun(state) && { turn }) };
}

/** The intent of a new attempt; it must be in the status before its task is asked for. */
export function beginAttempt(
  state: RunState,
  name: string,
  plan: { store: string; startingMs: number; runningDeadline: string; toolImage: string | undefined },
  nowMs: number,
): ReconcileResult {
  const number = (state.attempts?.length ?? 0) + 1;
  const { store, startingMs, runningDeadline, toolImage } = plan;
  const attempt: Attempt = {
    number,
    store,
    ...beginRecord(nowMs, startingMs, runningDeadline),
    ...(toolImage !== undefined && { toolImage }),
  };
  const status: RunState = {
    ...state,
    phase: 'Starting',
    startedAt: state.startedAt ?? timestamp(nowMs),
    attempts: [...(state.attempts ?? []), attempt],
    currentTask: attemptTask(name, number),
  };
  return { outcome: after(0, 'Starting', `attempt ${number} is about to start`), status };
}

/** The image is found: it must be in the status before the task is asked for. */
export function prepare(state: RunState, attempt: Attempt): ReconcileResult {
  const { waitingFor: _came, ...prepared } = attempt;
  const outcome = after(0, 'Starting', `attempt ${attempt.number} is about to start`);
  return { outcome, status: withAttempt(state, prepared) };
}

/** The task cannot be asked for yet. */
export function holdUp(
  state: RunState,
  attempt: Attempt,
  { record, reason, message }: Extract<ImageChoice, { kind: 'held-up' }>,
  { recheckMs }: Timings,
): ReconcileResult {
  return { outcome: waiting(reason, message, recheckMs), status: withAttempt(state, { ...attempt, ...record }) };
}

/** The task of the attempt goes on, or is being stopped. */
export function goOn(state: RunState, attempt: Attempt, verdict: GoesOn, { recheckMs }: Timings): ReconcileResult {
  const status = withAttempt(state, { ...attempt, ...verdict.record });
  if (verdict.kind === 'stop')
    return { outcome: stoppingOutcome(verdict, attempt.stopping !== undefined, recheckMs), status };
  const { reason, message, phase, isHeldUp } = verdict;
  const outcome = isHeldUp ? waiting(reason, message, recheckMs) : after(recheckMs, reason, message);
  return { outcome, status: { ...status, phase } };
}

/** Why the task is stopped must be in the status before it is: then the next visit follows at once. */
function stoppingOutcome({ record }: GoesOn, isWritten: boolean, recheckMs: number): Outcome {
  const { reason = 'Stopped', message = '' } = record.stopping ?? {};
  return waiting(reason, message, isWritten ? recheckMs : 0);
}

/** The task of the attempt is over; `attempt` says when. */
export function endAttempt(
  state: RunState,
  name: string,
  attempt: Attempt,
  end: TaskEnd,
  nowMs: number,
  timings: Timings,
): ReconcileResult {
  if (end.kind === 'reported' && end.report.outcome === 'backed-up')
    return succeed(state, attempt, end.report.set, nowMs);
  if (end.kind === 'failed' && !isStoppedByOthers(attempt, end.failure))
    return failAttempt(state, attempt, end.failure, nowMs, timings);
  // An unknown end is never taken for a failure, and the work is never blindly repeated: the store knows.
  const { endedAt: _open, ...open } = attempt;
  const known = end.kind === 'unknown' ? { detail: end.detail } : {};
  return beginInspection(state, name, { ...open, ...known }, nowMs);
}

/**
 * Such as a node that is drained: an accident to the backup, not a wish. Its manifest may have been on the way to the store
 * just then.
 */
const isStoppedByOthers = ({ stopping }: Attempt, { reason }: Failure): boolean =>
  reason === 'Stopped' && stopping === undefined;

/** The intent of a look into the store. */
export function beginInspection(state: RunState, name: string, attempt: Attempt, nowMs: number): ReconcileResult {
  const number = (attempt.inspection?.number ?? 0) + 1;
  const startingMs = Date.parse(attempt.startBy) - Date.parse(attempt.startedAt);
  const inspection: Inspection = { number, ...beginRecord(nowMs, startingMs, '10m') };
  const message = `it is not known how attempt ${attempt.number} ended: its manifest is looked for in the store`;
  return {
    outcome: after(0, 'Inspecting', message),
    status: {
      ...withAttempt(state, { ...attempt, inspection }),
      currentTask: inspectionTask(name, attempt.number, number),
    },
  };
}

/** The look into the store goes on, or is being stopped. */
export function goOnInspecting(
  state: RunState,
  attempt: Attempt,
  inspection: Inspection,
  verdict: GoesOn,
  { recheckMs }: Timings,
): ReconcileResult {
  const status = withAttempt(state, { ...attempt, inspection: { ...inspection, ...verdict.record } });
  if (verdict.kind === 'stop')
    return { outcome: stoppingOutcome(verdict, inspection.stopping !== undefined, recheckMs), status };
  const { isHeldUp, reason, message } = verdict;
  const text = `looking for the manifest: ${message}`;
  return { outcome: isHeldUp ? waiting(reason, text, recheckMs) : after(recheckMs, 'Inspecting', text), status };
}

/** The look into the store is over; `inspection` says when. */
export function endInspection(
  state: RunState,
  attempt: Attempt,
  inspection: Inspection,
  end: TaskEnd,
  nowMs: number,
  timings: Timings,
): ReconcileResult {
  if (end.kind === 'reported' && end.report.outcome === 'backed-up')
    return succeed(state, attempt, end.report.set, nowMs);
  if (end.kind === 'reported' && end.report.outcome === 'no-manifest') {
    const seen = attempt.detail === undefined ? '' : ` (${attempt.detail})`;
    const lost = failureOf(
      'AgentLost',
      `nobody knows how attempt ${attempt.number} ended${seen}, and the store holds no backup of it`,
    );
    return failAttempt(state, attempt, stoppedBy(attempt) ?? lost, nowMs, timings);
  }
  const detail = end.kind === 'unknown' ? ` (${end.detail})` : '';
  const why =
    end.kind === 'failed'
      ? end.failure
      : failureOf('AgentLost', `the look into the store ended without an answer${detail}`);
  if (inspection.number < inspectionsMax && inspection.stopping === undefined && isTransient(why)) {
    return {
      outcome: after(
        timings.inspectAgainMs * inspection.number,
        'Inspecting',
        `the store cannot be looked into: ${why.message}`,
      ),
      status: withAttempt(state, { ...attempt, inspection: { ...inspection, outcome: why.reason } }),
    };
  }
  const message = `it is not known whether attempt ${attempt.number} left a backup: ${why.message}`;
  return fail(state, attempt, { ...why, message }, nowMs);
}

function succeed(state: RunState, attempt: Attempt, set: SetSummary, nowMs: number): ReconcileResult {
  const { failure: _none, ...rest } = closed(state, { ...attempt, outcome: 'Succeeded' }, nowMs);
  const status: RunState = {
    ...rest,
    phase: 'Succeeded',
    size: describeBytes(set.storedBytes),
    set: { store: attempt.store, ...set },
  };
  return { outcome: finalOutcome(status, 0), status };
}

function failAttempt(
  state: RunState,
  attempt: Attempt,
  failure: Failure,
  nowMs: number,
  timings: Timings,
): ReconcileResult {
  // One that was stopped at a deadline had its time, whatever it waited for.
  const isLate =
    attempt.stopping !== undefined || (attempt.acceptedAt === undefined && attempt.waitingFor !== undefined);
  const isOnce = attempt.number >= attemptsMax || isLate;
  if (isOnce || !isTransient(failure)) return fail(state, attempt, failure, nowMs);
  const {
    currentTask: _over,
    progress: _old,
    ...rest
  } = withAttempt(state, {
    ...attempt,
    endedAt: attempt.endedAt ?? timestamp(nowMs),
    outcome: failure.reason,
  });
  const message = `attempt ${attempt.number} failed: ${failure.message}; there will be another one`;
  return {
    outcome: after(retryPauseMs(failure.reason, timings), 'Retrying', message),
    status: { ...rest, phase: 'Pending' } satisfies RunState,
  };
}

export function retryPauseMs(reason: string, { retryMs }: Timings): number {
  return isReason(reason) && reasons[reason].retry === 'once' ? retryMs.once : retryMs.backoff;
}

const isTransient = ({ reason }: Failure): boolean => isReason(reason) && reasons[reason].retry !== 'never';

function fail(state: RunState, attempt: Attempt, failure: Failure, nowMs: number): ReconcileResult {
  return failRun(closed(state, { ...attempt, outcome: failure.reason }, nowMs), failure, nowMs);
}

/** The end of a run that failed, with or without an attempt. */
export function failRun({ turn: _over, ...state }: RunState, failure: Failure, nowMs: number): ReconcileResult {
  const status: RunState = { ...state, phase: 'Failed', completedAt: timestamp(nowMs), failure };
  return { outcome: finalOutcome(status, 0), status };
}

function closed(state: RunState, attempt: Attempt, nowMs: number): RunState {
  const now = timestamp(nowMs);
  const {
    currentTask: _over,
    progress: _done,
    turn: _back,
    ...rest
  } = withAttempt(state, { ...attempt, endedAt: attempt.endedAt ?? now });
  return { ...rest, completedAt: now, duration: describeDuration(nowMs - Date.parse(state.startedAt ?? now)) };
}

/** What a run that is over says for ever. With `againMs` its tasks are still to be removed. */
export function finalOutcome({ set, size, failure }: RunState, againMs?: number): Outcome {
  if (set !== undefined) {
    return done('Succeeded', `${size} in store ${set.store}: the backup is of ${set.consistentAt}`, againMs);
  }
  const { reason = 'Internal', message = 'the reason is not known', hint = '' } = failure ?? {};
  return stalled(reason, `${message}. ${hint}`.trim(), againMs);
}

export function withAttempt(state: RunState, attempt: Attempt): RunState {
  const others = (state.attempts ?? []).filter(({ number }) => number !== attempt.number);
  return { ...state, attempts: [...others, attempt] };
}
