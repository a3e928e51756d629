import type { Logger } from '../base/log.ts';
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
