import type { BackupPolicySpec } from '../api/backup-policy.ts';
import { checkMode, type Mode } from '../api/mode.ts';
import { parseSpec } from '../api/parse.ts';
import { Fault } from '../base/fault.ts';
import type { Objects } from '../cluster/objects.ts';

/**
 * The policy's spec. Throws ReferenceMissing when there is none, and what is wrong with it when it cannot be used. When
 * nothing but another look follows from a missing one, a `remembered` absence keeps a crowd that waits off the server.
 */
export async function findPolicy(
  objects: Objects,
  namespace: string,
  name: string,
  mode: Mode,
  absence: 'sure' | 'remembered' = 'sure',
): Promise<BackupPolicySpec> {
  const policy = await objects.get('BackupPolicy', { namespace, name }, absence);
  if (policy === undefined || policy.metadata.deletionTimestamp !== undefined) {
    throw new Fault('ReferenceMissing', `there is no BackupPolicy ${name} in ${namespace}`);
  }
  try {
    const spec = parseSpec('BackupPolicy', policy.spec);
    checkMode('BackupPolicy', spec, mode);
    return spec;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault(error.reason, `BackupPolicy ${name}: ${error.sentence}`, { hint: error.hint, cause: error });
  }
}
