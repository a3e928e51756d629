import { type OperatorConfig, operatorConfig } from '../api/operator-config.ts';
import { parseDurationMs } from '../base/duration.ts';

/** Every pause of the operator. Tests run them short, by the same code. */
export interface Timings {
  /** How often a task is looked at although nothing was heard of it. */
  recheckMs: number;
  /** How often an object that waits for its turn looks although nobody called it; far back in line up to 20 times as long. */
  turnMs: number;
  /** How often at most the progress of a task is written into the status. */
  progressMs: number;
  /** How long an object that is named and not there is waited for, counted from the creation of the one that names it. */
  referenceMs: number;
  /** The pause before the second attempt, after an accident and after a failure that heals by itself. */
  retryMs: { once: number; backoff: number };
  /** The pause before an inspection that failed is tried again; grows with each. */
  inspectAgainMs: number;
  /** How long a deleted object is held back by a task that does not end. */
  giveUpMs: number;
}

/** The pauses as the configuration gives them. */
export function timingsOf({ timings }: Pick<OperatorConfig, 'timings'>): Timings {
  const { recheck, turn, progress, reference, retryOnce, retryBackoff, inspectAgain, giveUp } = timings;
  return {
    recheckMs: parseDurationMs(recheck),
    turnMs: parseDurationMs(turn),
    progressMs: parseDurationMs(progress),
    referenceMs: parseDurationMs(reference),
    retryMs: { once: parseDurationMs(retryOnce), backoff: parseDurationMs(retryBackoff) },
    inspectAgainMs: parseDurationMs(inspectAgain),
    giveUpMs: parseDurationMs(giveUp),
  };
}

export const defaultTimings: Timings = timingsOf(operatorConfig.parse({}));
