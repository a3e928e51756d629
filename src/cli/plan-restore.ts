import type { Objects } from '../cluster/objects.ts';
import type { Resource } from '../cluster/resource.ts';
import { CommandError } from './complaint.ts';

export interface RestoreWishes {
  policy?: string;
  run?: string;
  fromNamespace?: string;
  database: string;
  host?: string;
  service?: string;
  port?: number;
  tlsMode?: string;
  tlsCaSecret?: string;
  adminSecret: string;
  identitySecret?: string;
  storeSecret?: string;
  storeCaSecret?: string;
  image?: string;
}

/** The spec of the request, with the fields that were asked for and no other: defaults are the business of the place. */
export function restoreSpec(wishes: RestoreWishes): object {
  const { policy, run, fromNamespace, database, host, service, port, tlsMode, tlsCaSecret, image } = wishes;
  const { storeSecret, storeCaSecret } = wishes;
  return {
    source: {
      ...(fromNamespace !== undefined && { namespace: fromNamespace }),
      ...(run !== undefined && { runName: run }),
      ...(policy !== undefined && { policyName: policy }),
      ...((storeSecret ?? storeCaSecret) !== undefined && {
        storeCredentials: {
          ...(storeSecret !== undefined && { secretName: storeSecret }),
          ...(storeCaSecret !== undefined && { caSecretName: storeCaSecret }),
        },
      }),
      ...(wishes.identitySecret !== undefined && { identity: { secretName: wishes.identitySecret } }),
    },
    target: {
      ...(host !== undefined && { host }),
      ...(service !== undefined && { service }),
      ...(port !== undefined && { port }),
      ...((tlsMode ?? tlsCaSecret) !== undefined && {
        tls: {
          ...(tlsMode !== undefined && { mode: tlsMode }),
          ...(tlsCaSecret !== undefined && { caSecretName: tlsCaSecret }),
        },
      }),
      database,
      credentials: { admin: { secretName: wishes.adminSecret } },
    },
    ...(image !== undefined && { toolImages: { restore: image } }),
  };
}

/**
 * Throws Refused when there is nothing to restore from: no such run or policy, a run that has not succeeded, a policy
 * without a backup. What lies in another namespace only the operator may look at.
 */
export async function checkSource(
  { policy, run, fromNamespace }: RestoreWishes,
  objects: Objects,
  namespace: string,
  calledAs: string,
): Promise<void> {
  if (fromNamespace !== undefined && fromNamespace !== namespace) return;
  if (run !== undefined) {
    const found = await objects.get('BackupRun', { namespace, name: run });
    if (found === undefined) throw missing('BackupRun', run, namespace, `${calledAs} get runs -n ${namespace}`);
    const phase = phaseOf(found);
    if (phase === 'Succeeded') return;
    throw new CommandError(
      'Refused',
      `BackupRun ${run} has not succeeded: its phase is ${phase}`,
      `Name one that has: ${calledAs} get runs -n ${namespace}`,
    );
  }
  const found = await objects.get('BackupPolicy', { namespace, name: policy ?? '' });
  if (found === undefined)
    throw missing('BackupPolicy', policy ?? '', namespace, `${calledAs} get policies -n ${namespace}`);
  const { lastSuccess } = (found.status ?? {}) as { lastSuccess?: object };
  if (lastSuccess !== undefined) return;
  throw new CommandError(
    'Refused',
    `BackupPolicy ${policy} has no backup yet`,
    `Make one first: ${calledAs} backup ${policy} --wait -n ${namespace}`,
  );
}

const phaseOf = ({ status }: Resource): string => (status as { phase?: string } | undefined)?.phase ?? 'Pending';

const missing = (kind: string, name: string, namespace: string, list: string): CommandError =>
  new CommandError(
    'Refused',
    `there is no ${kind} ${name} in namespace ${namespace}`,
    `List what there is with: ${list}`,
  );
