import type { IntervalOf } from '../../api/schedule-interval.ts';
import type { Resource } from '../../cluster/resource.ts';
import type { Family } from './exposition.ts';
import { policyFamilies } from './policy-families.ts';
import { requestFamilies } from './request-families.ts';
import { runFamilies } from './run-families.ts';
import { indexRuns } from './run-index.ts';

/**
 * Pure: what the objects say at this moment. Nothing is counted while the operator runs, so a restart, a new leader or a
 * second replica changes no number; docs/adr/0019-metrics-at-scrape-time.md. The objects come in any order.
 */
export function objectFamilies(
  { policies, runs, requests }: Record<'policies' | 'runs' | 'requests', readonly Resource[]>,
  intervalOf: IntervalOf,
  nowMs: number,
): Family[] {
  const index = indexRuns(runs);
  return [
    ...policyFamilies(policies, index, intervalOf, nowMs),
    ...runFamilies(index, nowMs),
    ...requestFamilies(requests, nowMs),
  ];
}
