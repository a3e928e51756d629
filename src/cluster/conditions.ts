import { toFault } from '../base/fault.ts';
import { cutText } from '../base/short-text.ts';
import type { Outcome } from './outcome.ts';

/** metav1.Condition. */
export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  /** RFC 3339: when `status` last flipped, not when reason or message changed. */
  lastTransitionTime: string;
  observedGeneration: number;
}

/** What a reconciler says about an extra condition such as `Protected`; times and generations are filled in. */
export type ConditionDraft = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** The three of kstatus, and with that the whole vocabulary that `kubectl wait`, Flux and Argo CD understand. */
export const kstatusTypes: readonly string[] = ['Ready', 'Reconciling', 'Stalled'];

/**
 * The kstatus conditions of an outcome. Reconciling and Stalled are left out instead of being False: kstatus calls
 * them abnormal-true, and a list that is short is read.
 */
export function conditionsOf(outcome: Outcome, existing: readonly Condition[]): ConditionDraft[] {
  switch (outcome.kind) {
    case 'done':
      return [{ type: 'Ready', status: 'True', reason: outcome.reason, message: outcome.message }];
    case 'after':
    case 'waiting': {
      const { reason, message } = outcome;
      const ready = outcome.kind === 'after' ? 'Unknown' : 'False';
      return [
        { type: 'Ready', status: ready, reason, message },
        { type: 'Reconciling', status: 'True', reason, message },
      ];
    }
    case 'stalled': {
      const { reason, message } = outcome;
      return [
        { type: 'Ready', status: 'False', reason, message },
        { type: 'Stalled', status: 'True', reason, message },
      ];
    }
    case 'failed': {
      const fault = toFault(outcome.error);
      const draft = { reason: fault.reason, message: `${cutText(fault.sentence)}; it will be tried again` };
      const ready = existing.find(({ type }) => type === 'Ready');
      // An accident of ours says nothing about the object: what was known about it stays.
      return [
        ready === undefined ? { type: 'Ready', status: 'Unknown', ...draft } : draftOf(ready),
        { type: 'Reconciling', status: 'True', ...draft },
      ];
    }
  }
}

/** The drafts as a list of conditions, in this order; the transition time moves only where the status flips. */
export function mergeConditions(
  drafts: readonly ConditionDraft[],
  existing: readonly Condition[],
  observedGeneration: number,
  now: string,
): Condition[] {
  return drafts.map((draft) => {
    const before = existing.find(({ type }) => type === draft.type);
    const lastTransitionTime = before?.status === draft.status ? before.lastTransitionTime : now;
    return { ...draft, lastTransitionTime, observedGeneration };
  });
}

export const draftOf = ({ type, status, reason, message }: Condition): ConditionDraft => ({
  type,
  status,
  reason,
  message,
});

/** The conditions in a status of any origin; an entry that is not one is left out. */
export function conditionsIn(status: unknown): Condition[] {
  const list = (status as { conditions?: unknown } | undefined)?.conditions;
  if (!Array.isArray(list)) return [];
  return list.filter(
    (entry): entry is Condition => typeof entry?.type === 'string' && typeof entry?.status === 'string',
  );
}
