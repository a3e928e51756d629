import { isDeepStrictEqual } from 'node:util';
import { type Clock, timestamp } from '../base/clock.ts';
import {
  type Condition,
  type ConditionDraft,
  conditionsIn,
  conditionsOf,
  draftOf,
  kstatusTypes,
  mergeConditions,
} from './conditions.ts';
import { type ObjectEvent, type Objects, ObjectsError } from './objects.ts';
import type { Outcome } from './outcome.ts';
import type { Resource } from './resource.ts';

/** What a reconcile gives back. */
export interface ReconcileResult {
  outcome: Outcome;
  /** The whole status but for `conditions` and `observedGeneration`. Left out: what is there stays. */
  status?: object;
  /** The whole list of conditions beside the three of kstatus. Left out: what is there stays. */
  conditions?: ConditionDraft[];
  /** The object as the reconcile itself last wrote it (finalizers), when it did. */
  written?: Resource;
}

/**
 * `conflict`: somebody wrote the object since it was read, so the decision is stale and must be made again.
 * `gone`: the object was deleted meanwhile.
 */
export type StatusWritten = { verdict: 'written'; object: Resource } | { verdict: 'unchanged' | 'conflict' | 'gone' };

/**
 * The only writer of statuses. Writes nothing when nothing changed; records one event for each transition, with the
 * condition's reason as its own. Throws what `replaceStatus` throws, but for Conflict and NotFound.
 */
export async function writeStatus(
  objects: Objects,
  clock: Clock,
  object: Resource,
  result: Omit<ReconcileResult, 'written'>,
): Promise<StatusWritten> {
  const existing = conditionsIn(object.status);
  const extra = result.conditions ?? existing.filter(({ type }) => !kstatusTypes.includes(type)).map(draftOf);
  const drafts = [...conditionsOf(result.outcome, existing), ...extra];
  const conditions = mergeConditions(drafts, existing, object.metadata.generation, timestamp(clock.nowMs()));
  const fields = result.status ?? withoutOurs(object.status);
  const status = plainJson({ ...fields, observedGeneration: object.metadata.generation, conditions });
  if (isDeepStrictEqual(status, plainJson(object.status ?? {}))) return { verdict: 'unchanged' };
  try {
    const written = await objects.replaceStatus(object, status);
    for (const event of transitions(result.outcome, existing, conditions)) await objects.recordEvent(written, event);
    return { verdict: 'written', object: written };
  } catch (error) {
    if (error instanceof ObjectsError && error.code === 'Conflict') return { verdict: 'conflict' };
    if (error instanceof ObjectsError && error.code === 'NotFound') return { verdict: 'gone' };
    throw error;
  }
}

const headlineType = {
  done: 'Ready',
  after: 'Reconciling',
  waiting: 'Reconciling',
  failed: 'Reconciling',
  stalled: 'Stalled',
};

/** At most one event for the kstatus conditions together, which say one thing, and one for each extra condition that flipped. */
function transitions(outcome: Outcome, before: readonly Condition[], now: readonly Condition[]): ObjectEvent[] {
  const events: ObjectEvent[] = [];
  for (const { type, status, reason, message } of now) {
    const earlier = before.find((one) => one.type === type);
    if (type === headlineType[outcome.kind]) {
      if (earlier?.status === status && earlier.reason === reason) continue;
      const isFine = outcome.kind === 'done' || outcome.kind === 'after';
      events.push({ type: isFine ? 'Normal' : 'Warning', reason, message });
    } else if (!kstatusTypes.includes(type) && earlier?.status !== status && status !== 'Unknown') {
      events.push({ type: status === 'True' ? 'Normal' : 'Warning', reason, message });
    }
  }
  return events;
}

function withoutOurs(status: unknown): object {
  const {
    conditions: _conditions,
    observedGeneration: _generation,
    ...fields
  } = (status ?? {}) as Record<string, unknown>;
  return fields;
}

/** Without members that are undefined: they vanish on the way to the store and would look like a change for ever. */
const plainJson = (value: object): object => JSON.parse(JSON.stringify(value));
