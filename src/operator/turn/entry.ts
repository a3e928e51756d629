import type { BackupRunStatus } from '../../api/backup-run.ts';
import type { Mode } from '../../api/mode.ts';
import { parseSpec } from '../../api/parse.ts';
import type { RestoreRequestStatus } from '../../api/restore-request.ts';
import { Fault } from '../../base/fault.ts';
import { policyNameOf, type Resource } from '../../cluster/resource.ts';
import { isHeld } from '../release.ts';
import { serverIdentity } from './identity.ts';
import type { Entry } from './line.ts';

/** The entry, and for a run the policy that it shares server and store with. */
export type Candidate = Entry & { policy?: string };

/**
 * Pure: what a run or a request has to do with the line: undefined when it is over, or waits for something else than its
 * turn. One that nobody has looked at yet is in line already: at a start of the operator the oldest is not the first
 * that is looked at.
 */
export function candidateOf(object: Resource, mode: Mode): Candidate | undefined {
  const { phase, turn } = (object.status ?? {}) as BackupRunStatus & RestoreRequestStatus;
  if (phase === 'Succeeded' || phase === 'Failed') return undefined;
  const isWorking = hasBegun(object);
  // A deleted one that never began has nothing to wait for; one that began has its task to stop, and we hold it as long.
  if (object.metadata.deletionTimestamp !== undefined && !(isWorking && isHeld(object))) return undefined;
  if (!isWorking && turn === undefined && object.status !== undefined) return undefined;
  const { namespace, name, uid, creationTimestamp: createdAt } = object.metadata;
  const policyName = policyNameOf(object);
  return {
    kind: object.kind === 'RestoreRequest' ? 'RestoreRequest' : 'BackupRun',
    namespace,
    name,
    uid,
    createdAt,
    server: turn?.server ?? (object.kind === 'RestoreRequest' ? targetOf(object, mode) : undefined),
    store: turn?.store,
    state: isWorking ? 'working' : turn?.claimedAt === undefined ? 'waiting' : 'claiming',
    ...(policyName !== undefined && { policy: `${namespace}/${policyName}` }),
  };
}

function hasBegun({ kind, status }: Resource): boolean {
  if (kind === 'RestoreRequest') return (status as RestoreRequestStatus | undefined)?.task !== undefined;
  return ((status as BackupRunStatus | undefined)?.attempts?.length ?? 0) > 0;
}

function targetOf({ kind, spec, metadata }: Resource, mode: Mode): string | undefined {
  if (kind !== 'RestoreRequest') return undefined;
  try {
    return serverIdentity(parseSpec('RestoreRequest', spec).target, metadata.namespace, mode);
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}
