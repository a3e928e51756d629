import type { TaskRecord } from '../api/status-field.ts';
import { timestamp } from '../base/clock.ts';
import { describeDuration, parseDurationMs } from '../base/duration.ts';
import { isReason, type Reason, reasons } from '../base/reasons.ts';
import { cutText } from '../base/short-text.ts';
import type { Observation } from '../cluster/runner.ts';
import type { Report } from '../contract/report.ts';

export interface Failure {
  reason: string;
  message: string;
  hint: string;
}

/** What to do about a task. `record` is its record as it must stand in the status then. */
export type TaskVerdict =
  /** Nobody has taken it on yet. */
  | { kind: 'start' }
  /** It goes on. `isHeldUp`: something is missing that a person may have to bring. */
  | {
      kind: 'wait';
      record: TaskRecord;
      phase: 'Starting' | 'Running';
      reason: string;
      message: string;
      isHeldUp: boolean;
    }
  /** A deadline passed. The record says which; only when it is written may the task be stopped. */
  | { kind: 'stop'; record: TaskRecord }
  | { kind: 'ended'; record: TaskRecord; end: TaskEnd };

export type TaskEnd =
  | { kind: 'reported'; report: Exclude<Report, { outcome: 'failed' | 'unknown' }> }
  | { kind: 'failed'; failure: Failure }
  /** It may have done its work or not: only what it worked on can tell. */
  | { kind: 'unknown'; detail: string };

export function failureOf(reason: Reason, message: string, hint: string = reasons[reason].hint): Failure {
  return { reason, message, hint };
}

/** Pure: the record of a task as it was written, what is seen of the task now, and the time. */
export function judgeTask(written: TaskRecord, observation: Observation, nowMs: number): TaskVerdict {
  const now = timestamp(nowMs);
  // A kill can come between the start of a task and the record of it. What was seen once is never started again.
  const record = observation.state === 'absent' ? written : { ...written, acceptedAt: written.acceptedAt ?? now };
  switch (observation.state) {
    case 'absent': {
      if (record.acceptedAt !== undefined) {
        return ended(record, now, { kind: 'unknown', detail: 'the task is gone, and nobody knows how it ended' });
      }
      if (record.stopping === undefined && nowMs < Date.parse(record.startBy)) return { kind: 'start' };
      return ended(record, now, {
        kind: 'failed',
        failure:
          stoppedBy(record) ?? heldUp(record) ?? failureOf('StartDeadlineExceeded', 'nobody started the task in time'),
      });
    }
    case 'starting': {
      const { reason = 'StartDeadlineExceeded', message: said = 'the reason is not known' } =
        observation.waitingFor ?? {};
      const message = cutText(said);
      if (record.stopping !== undefined) return { kind: 'stop', record };
      if (nowMs >= Date.parse(record.startBy)) {
        const stopping =
          record.runningAt === undefined
            ? { reason, message: notBegun(record, message) }
            : { reason: 'Stopped', message: `the task lost its pod: ${message}` };
        return { kind: 'stop', record: { ...record, stopping } };
      }
      const isHeldUp = observation.waitingFor !== undefined;
      return {
        kind: 'wait',
        record,
        phase: 'Starting',
        reason: isHeldUp ? reason : 'Starting',
        message: isHeldUp ? message : 'the task has not begun yet',
        isHeldUp,
      };
    }
    case 'running': {
      const running = { ...record, runningAt: record.runningAt ?? now };
      if (record.stopping !== undefined) return { kind: 'stop', record: running };
      if (nowMs >= Date.parse(running.runningAt) + parseDurationMs(record.runningDeadline)) {
        const message = `the task ran longer than ${record.runningDeadline} and was stopped`;
        return { kind: 'stop', record: { ...running, stopping: { reason: 'DeadlineExceeded', message } } };
      }
      return {
        kind: 'wait',
        record: running,
        phase: 'Running',
        reason: 'Running',
        message: 'the task runs',
        isHeldUp: false,
      };
    }
    case 'ended':
      return ended(record, now, endOf(record, observation));
  }
}

function notBegun({ startBy, startedAt }: TaskRecord, why: string): string {
  return `the task did not begin within ${describeDuration(Date.parse(startBy) - Date.parse(startedAt))}: ${why}`;
}

/** Why it was never asked for. */
function heldUp(record: TaskRecord): Failure | undefined {
  if (record.waitingFor === undefined) return undefined;
  const { reason, message } = record.waitingFor;
  return failureOf(isReason(reason) ? reason : 'StartDeadlineExceeded', notBegun(record, message));
}

function endOf(record: TaskRecord, { report, detail }: { report?: Report; detail: string }): TaskEnd {
  if (report?.outcome === 'unknown') return { kind: 'unknown', detail: cutText(report.message) };
  if (report !== undefined && report.outcome !== 'failed') return { kind: 'reported', report };
  const stopped = stoppedBy(record);
  if (report !== undefined) {
    const { reason, message, hint } = report;
    return {
      kind: 'failed',
      failure: reason === 'Stopped' && stopped !== undefined ? stopped : { reason, message, hint },
    };
  }
  // One that was never seen running and was stopped for that has written nothing worth a look.
  if (stopped !== undefined && record.runningAt === undefined) return { kind: 'failed', failure: stopped };
  return { kind: 'unknown', detail: cutText(detail) };
}

/** The deadline for which the task was stopped. */
export function stoppedBy({ stopping }: TaskRecord): Failure | undefined {
  if (stopping === undefined) return undefined;
  const hint = isReason(stopping.reason) ? reasons[stopping.reason].hint : reasons.Internal.hint;
  return { ...stopping, hint };
}

function ended(record: TaskRecord, now: string, end: TaskEnd): TaskVerdict {
  const outcome = end.kind === 'failed' ? end.failure.reason : undefined;
  return { kind: 'ended', record: { ...record, endedAt: now, ...(outcome !== undefined && { outcome }) }, end };
}

/** The record of a task that is about to be asked for. */
export function beginRecord(nowMs: number, startingMs: number, runningDeadline: string): TaskRecord {
  return {
    startedAt: timestamp(nowMs),
    startBy: timestamp(nowMs + startingMs),
    runningDeadline,
  };
}

/** When the agent stops by itself. It cannot know when it was seen running, so it gets the whole time to start on top. */
export function agentDeadlineMs(record: TaskRecord): number {
  return Date.parse(record.startBy) + parseDurationMs(record.runningDeadline);
}
