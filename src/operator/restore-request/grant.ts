import { apiVersion } from '../../api/names.ts';
import { parseSpec } from '../../api/parse.ts';
import { Fault } from '../../base/fault.ts';
import type { Resource } from '../../cluster/resource.ts';

/** What a namespace may read. A name that is not in it is as good as not there, whether it exists or not. */
export interface Readable {
  /** Whether policies that do not exist may be spoken of, too. */
  isAll: boolean;
  includes(policy: string): boolean;
}

export const everything: Readable = { isAll: true, includes: () => true };

/**
 * Pure: what the namespace `reader` may read of the namespace that these grants lie in. A grant that is being deleted, or
 * that cannot be read, grants nothing.
 */
export function readableBy(reader: string, grants: readonly Resource[]): Readable {
  const held = grants.filter((grant) => grant.metadata.deletionTimestamp === undefined).flatMap(specOf);
  const its = held.filter(({ from }) => from.some(({ namespace }) => namespace === reader));
  if (its.some(({ policies }) => policies === undefined)) return everything;
  const names = new Set(its.flatMap(({ policies = [] }) => policies));
  return { isAll: false, includes: (policy) => names.has(policy) };
}

function specOf({ spec }: Resource) {
  try {
    return [parseSpec('BackupGrant', spec)];
  } catch (error) {
    if (error instanceof Fault) return [];
    throw error;
  }
}

/** `what` is as the request names it. Nothing in it depends on what there is in the other namespace. */
export function notGranted(
  reader: string,
  source: string,
  what: { policyName?: string | undefined; runName?: string | undefined },
): Fault {
  const { policyName, runName } = what;
  const named = policyName === undefined ? `run ${runName}` : `policy ${policyName}`;
  const grant = {
    apiVersion,
    kind: 'BackupGrant',
    metadata: { name: `${reader}-reads`.slice(-63).replace(/^-+/, ''), namespace: source },
    spec: { from: [{ namespace: reader }], policies: [policyName ?? '<the policy of the run>'] },
  };
  return new Fault('ReferenceNotGranted', `no BackupGrant in ${source} lets ${reader} read ${named}`, {
    hint: `Whoever owns ${source} can allow it: echo '${JSON.stringify(grant)}' | kubectl apply -f -`,
  });
}
