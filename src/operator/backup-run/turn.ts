import type { BackupRunSpec, BackupRunStatus } from '../../api/backup-run.ts';
import type { Resource } from '../../cluster/resource.ts';

/**
 * Pure: the run that this one has to wait for, because runs of one policy go one at a time: one that has begun, or else
 * the oldest. Only to spare the server: two that are made and looked at within the same second may both go, and what each
 * writes lies under a name of its own.
 */
export function runAhead(run: Resource, others: readonly Resource[]): Resource | undefined {
  const open = others.filter(
    (other) => other.metadata.uid !== run.metadata.uid && isOpen(other) && isSamePolicy(other, run),
  );
  return open.find(hasBegun) ?? open.find((other) => isOlder(other, run));
}

const statusOf = (run: Resource): BackupRunStatus => (run.status ?? {}) as BackupRunStatus;

const isOpen = (run: Resource): boolean => {
  const { phase } = statusOf(run);
  // A deleted run that never began has nothing to wait for; one that began still has its task to stop.
  return phase !== 'Succeeded' && phase !== 'Failed' && (run.metadata.deletionTimestamp === undefined || hasBegun(run));
};

const hasBegun = (run: Resource): boolean => (statusOf(run).attempts?.length ?? 0) > 0;

const isSamePolicy = (one: Resource, other: Resource): boolean =>
  (one.spec as Partial<BackupRunSpec> | undefined)?.policyName === (other.spec as BackupRunSpec).policyName;

const isOlder = ({ metadata: one }: Resource, { metadata: other }: Resource): boolean =>
  one.creationTimestamp < other.creationTimestamp ||
  (one.creationTimestamp === other.creationTimestamp && one.uid < other.uid);
