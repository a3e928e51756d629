import type { Logger } from '../base/log.ts';
import { ObjectsError } from '../cluster/objects.ts';
import type { Resource } from '../cluster/resource.ts';
import type { ReconcileResult } from '../cluster/status.ts';

/** A step in the life of an object whose tasks are started, watched, and their end written down. */
export interface Step<Visit> {
  name: string;
  /** The answer of the whole visit, or undefined: the next step goes on. Idempotent, and may be cut short anywhere. */
  take(visit: Visit): Promise<ReconcileResult | undefined>;
}

/**
 * Goes through the steps in order until one of them has an answer. Each is logged by name before it is taken: a test that
 * kills the operator there, step by step, takes its list from the same table.
 */
export async function walk<Visit extends { written?: Resource }>(
  steps: readonly Step<Visit>[],
  visit: Visit,
  { metadata: { namespace, name } }: Resource,
  log: Logger,
): Promise<ReconcileResult> {
  for (const step of steps) {
    log.debug({ step: step.name, object: `${namespace}/${name}` }, 'step');
    const result = await step.take(visit);
    if (result !== undefined) return visit.written === undefined ? result : { ...result, written: visit.written };
  }
  throw new Error('no step had an answer');
}

/**
 * The same step, with an answer to what it throws. Not to a conflict or an API that is away: those are not about the object,
 * and the same visit is made again.
 */
export function orElse<Visit>(
  take: Step<Visit>['take'],
  answer: (visit: Visit, error: unknown) => ReconcileResult,
): Step<Visit>['take'] {
  return async (visit) => {
    try {
      return await take(visit);
    } catch (error) {
      if (error instanceof ObjectsError && (error.code === 'Conflict' || error.code === 'Unavailable')) throw error;
      return answer(visit, error);
    }
  };
}
