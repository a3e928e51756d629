import type { BackupRunSpec, BackupRunStatus } from '../api/backup-run.ts';
import type { Mode } from '../api/mode.ts';
import { operatorSelector } from '../api/names.ts';
import type { RestoreRequestSpec, RestoreRequestStatus } from '../api/restore-request.ts';
import { createIntervalOf } from '../api/schedule-interval.ts';
import type { Resource } from '../cluster/resource.ts';
import { contractVersion, type StatusAnswer } from './contract.ts';
import { judgePolicy } from './judge-policy.ts';

export interface StatusInput {
  policies: readonly Resource[];
  runs: readonly Resource[];
  requests: readonly Resource[];
  nowMs: number;
  mode: Mode;
  /** `backstay VERB NAME` with the flags of this place, as a person types it. */
  command(verb: string, namespace: string): string;
}

const shownRestores = 5;
const operatorHints: Record<Mode, string> = {
  kubernetes: `See that the operator runs: kubectl get deployments -A -l ${operatorSelector}`,
  standalone: 'See that backstay standalone runs on this home.',
};
const isOver = ({ status }: Resource): boolean => {
  const { phase = 'Pending' } = (status ?? {}) as { phase?: string };
  return phase === 'Succeeded' || phase === 'Failed';
};

/** Pure: the answer to "am I protected?", out of the objects alone. */
export function statusAnswer(input: StatusInput): StatusAnswer {
  const { runs, requests, nowMs, mode, command } = input;
  const operatorHint = operatorHints[mode];
  const target = mode === 'kubernetes' ? '--service SERVICE' : '--host HOST';
  const intervalOf = createIntervalOf();
  const policies = [...input.policies].sort(byName).map((policy) => {
    const { name, namespace } = policy.metadata;
    const ofNamespace = runs.filter(({ metadata }) => metadata.namespace === namespace);
    return judgePolicy(policy, ofNamespace, {
      nowMs,
      operatorHint,
      intervalOf,
      backupCommand: command(`backup ${name} --wait`, namespace),
    });
  });
  const next = policies.flatMap(({ name, next }) => (next === undefined ? [] : [`${name}: ${next}`]));
  if (policies.length === 0) next.push('Nothing is protected: write a BackupPolicy (see examples/) and apply it.');
  const first = policies[0];
  if (first !== undefined && next.length === 0 && requests.length === 0) {
    const restore = command(`restore --policy ${first.name}`, first.namespace);
    next.push(
      `No backup was restored yet. Prove one: ${restore} --database EMPTY_DATABASE ${target} --admin-secret SECRET`,
    );
  }
  return {
    apiVersion: contractVersion,
    kind: 'Status',
    protected: policies.length > 0 && policies.every(({ verdict }) => verdict === 'Protected'),
    policies,
    running: [...runs, ...requests].filter((object) => !isOver(object)).map(atWork),
    restores: requests.filter(isOver).sort(newestFirst).slice(0, shownRestores).map(restored),
    next,
  };
}

function atWork({ kind, metadata: { name, namespace }, spec, status }: Resource): StatusAnswer['running'][number] {
  const { phase = 'Pending', startedAt, progress } = (status ?? {}) as BackupRunStatus;
  const policy =
    kind === 'BackupRun'
      ? (spec as Partial<BackupRunSpec>).policyName
      : (spec as Partial<RestoreRequestSpec>).source?.policyName;
  return {
    kind,
    namespace,
    name,
    ...(policy !== undefined && { policy }),
    phase,
    ...(startedAt !== undefined && { since: startedAt }),
    ...(progress && {
      progress: {
        step: progress.step,
        plainBytes: progress.plainBytes,
        storedBytes: progress.storedBytes,
        bytesPerSecond: progress.bytesPerSecond,
      },
    }),
  };
}

function restored({ metadata: { name, namespace }, spec, status }: Resource): StatusAnswer['restores'][number] {
  const { phase = 'Pending', completedAt, duration, failure } = (status ?? {}) as RestoreRequestStatus;
  const database = (spec as Partial<RestoreRequestSpec>).target?.database;
  return {
    namespace,
    name,
    phase,
    ...(database !== undefined && { database }),
    ...(completedAt !== undefined && { completedAt }),
    ...(duration !== undefined && { duration }),
    ...(failure && { failure }),
  };
}

const byName = (a: Resource, b: Resource): number =>
  `${a.metadata.namespace}/${a.metadata.name}` < `${b.metadata.namespace}/${b.metadata.name}` ? -1 : 1;

const newestFirst = (a: Resource, b: Resource): number =>
  b.metadata.creationTimestamp.localeCompare(a.metadata.creationTimestamp);
