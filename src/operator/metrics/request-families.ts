import type { RestoreRequestStatus } from '../../api/restore-request.ts';
import type { Resource } from '../../cluster/resource.ts';
import type { Family } from './exposition.ts';
import { Gauges, secondsBetween, secondsOf } from './gauges.ts';

const help = {
  backstay_restore_requests: 'Restore requests that are there, by phase. A phase without requests has no series.',
  backstay_restore_last_duration_seconds: 'How long the newest restore took that ended so.',
  backstay_restore_completed_timestamp_seconds: 'When each restore ended, and how.',
  backstay_restore_active_seconds: 'Age of each restore that is not over: since it began, or since it was made.',
} as const;
type Name = keyof typeof help;

export function requestFamilies(requests: readonly Resource[], nowMs: number): Family[] {
  const gauges = new Gauges<Name>(help);
  setRequests(gauges, requests, nowMs);
  return gauges.families();
}

function setRequests(gauges: Gauges<Name>, requests: readonly Resource[], nowMs: number): void {
  const counts = new Map<string, { labels: Record<string, string>; count: number }>();
  const newest = new Map<string, { labels: Record<string, string>; completedS: number; tookS: number }>();
  for (const { metadata, status } of requests) {
    const { namespace, name: request, creationTimestamp } = metadata;
    const { phase = 'Validating', startedAt, completedAt, failure } = (status ?? {}) as RestoreRequestStatus;
    const counted = counts.get(`${namespace}/${phase}`);
    if (counted === undefined) counts.set(`${namespace}/${phase}`, { labels: { namespace, phase }, count: 1 });
    else counted.count++;
    const startedS = secondsOf(startedAt);
    if (phase !== 'Succeeded' && phase !== 'Failed') {
      const ageS = secondsBetween(startedS ?? secondsOf(creationTimestamp), nowMs / 1000);
      gauges.set('backstay_restore_active_seconds', { namespace, request, phase }, ageS);
      continue;
    }
    const completedS = secondsOf(completedAt);
    const labels = { namespace, request, outcome: phase, reason: failure?.reason ?? phase };
    gauges.set('backstay_restore_completed_timestamp_seconds', labels, completedS);
    const tookS = secondsBetween(startedS, completedS);
    if (completedS === undefined || tookS === undefined) continue;
    const before = newest.get(`${namespace}/${phase}`);
    // Of two that ended in the same second the longer one: the order of the list must not matter.
    if (
      before === undefined ||
      before.completedS < completedS ||
      (before.completedS === completedS && before.tookS < tookS)
    )
      newest.set(`${namespace}/${phase}`, { labels: { namespace, outcome: phase }, completedS, tookS });
  }
  for (const { labels, count } of counts.values()) gauges.set('backstay_restore_requests', labels, count);
  for (const { labels, tookS } of newest.values()) gauges.set('backstay_restore_last_duration_seconds', labels, tookS);
}
