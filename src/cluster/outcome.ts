/**
 * What a reconcile found out, said once: the controller makes the next visit of it, the status writer the conditions.
 * Reconcilers never set Ready, Reconciling or Stalled themselves. After the model of fluxcd/source-controller.
 *
 * | outcome | Ready | Reconciling | Stalled | next visit |
 * |---|---|---|---|---|
 * | done    | True    | -    | -    | on a change, or after `againMs` |
 * | after   | Unknown | True | -    | after `ms`: work goes on, nothing is wrong |
 * | waiting | False   | True | -    | after `ms`: something outside is missing and may come |
 * | stalled | False   | -    | True | on a change, or after `againMs`: a person has to act, or the end was a failure |
 * | failed  | as it was | True | -  | with backoff: an accident; also what a reconcile that throws becomes |
 */
export type Outcome =
  | { kind: 'done'; reason: string; message: string; againMs?: number }
  | { kind: 'after'; ms: number; reason: string; message: string }
  | { kind: 'waiting'; ms: number; reason: string; message: string }
  | { kind: 'stalled'; reason: string; message: string; againMs?: number }
  | { kind: 'failed'; error: unknown };

/** All is as the spec asks. `againMs` asks for another look although nothing changed. */
export const done = (reason: string, message: string, againMs?: number): Outcome =>
  againMs === undefined ? { kind: 'done', reason, message } : { kind: 'done', reason, message, againMs };

/**
 * Work goes on; look again after `ms`. With 0 the next visit follows the status write at once: that is how an intent
 * gets into the status before its effect.
 */
export const after = (ms: number, reason: string, message: string): Outcome => ({ kind: 'after', ms, reason, message });

export const waiting = (reason: string, message: string, ms: number): Outcome => ({
  kind: 'waiting',
  ms,
  reason,
  message,
});

/** A person has to act. `againMs` asks for another look: to tidy up after the end that is written down first. */
export const stalled = (reason: string, message: string, againMs?: number): Outcome =>
  againMs === undefined ? { kind: 'stalled', reason, message } : { kind: 'stalled', reason, message, againMs };

export const failed = (error: unknown): Outcome => ({ kind: 'failed', error });
