import type { BackupRunSpec, BackupRunStatus, RunPhase } from '../../api/backup-run.ts';
import { scheduleLabel } from '../../api/names.ts';
import type { Resource } from '../../cluster/resource.ts';
import { newestFirst } from '../backup-policy/run-groups.ts';
import { secondsOf } from './gauges.ts';

/** What metrics want to know of a run. */
export interface RunFacts {
  name: string;
  namespace: string;
  policy: string;
  method: string;
  schedule: string | undefined;
  database: string | undefined;
  phase: RunPhase;
  /** Of the failure. */
  reason: string | undefined;
  createdAt: string;
  startedAtS: number | undefined;
  completedAtS: number | undefined;
  consistentAtS: number | undefined;
  plainBytes: number | undefined;
  storedBytes: number | undefined;
}

export interface RunIndex {
  /** Newest first, by the moment they were made. */
  of(namespace: string, policy: string): readonly RunFacts[];
  /** One entry a policy that has runs, whether the policy is still there or not. */
  all(): Iterable<readonly RunFacts[]>;
}

/** Looks at every run once: a scrape that searched all runs for each policy would take the product of both. */
export function indexRuns(runs: readonly Resource[]): RunIndex {
  const byPolicy = new Map<string, RunFacts[]>();
  for (const run of runs) {
    const facts = factsOf(run);
    const key = `${facts.namespace}/${facts.policy}`;
    const group = byPolicy.get(key);
    if (group === undefined) byPolicy.set(key, [facts]);
    else group.push(facts);
  }
  for (const group of byPolicy.values()) group.sort(newestFirst);
  return { of: (namespace, policy) => byPolicy.get(`${namespace}/${policy}`) ?? [], all: () => byPolicy.values() };
}

export const endedOf = (runs: readonly RunFacts[]): RunFacts[] =>
  runs.filter(({ phase }) => phase === 'Succeeded' || phase === 'Failed');

function factsOf({ metadata, spec, status }: Resource): RunFacts {
  const { policyName = '', method = '', dump } = (spec ?? {}) as Partial<BackupRunSpec>;
  const { phase = 'Pending', startedAt, completedAt, set, failure } = (status ?? {}) as BackupRunStatus;
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    policy: policyName,
    method,
    schedule: metadata.labels?.[scheduleLabel],
    database: dump?.databases?.[0],
    phase,
    reason: failure?.reason,
    createdAt: metadata.creationTimestamp,
    startedAtS: secondsOf(startedAt),
    completedAtS: secondsOf(completedAt),
    consistentAtS: secondsOf(set?.consistentAt),
    plainBytes: set?.plainBytes,
    storedBytes: set?.storedBytes,
  };
}
