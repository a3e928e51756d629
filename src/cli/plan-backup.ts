import type { BackupPolicySpec } from '../api/backup-policy.ts';
import type { BackupRunSpec } from '../api/backup-run.ts';
import { checkMode, type Mode } from '../api/mode.ts';
import { parseSpec } from '../api/parse.ts';
import { Fault } from '../base/fault.ts';
import type { Resource } from '../cluster/resource.ts';
import { CommandError } from './complaint.ts';

/**
 * The run that a person asks for, of this policy. Throws Refused when it could only fail or wait: the policy cannot be
 * used, is suspended, or it is not clear which database is meant.
 */
export function planBackup(
  policy: Resource,
  database: string | undefined,
  mode: Mode,
): Omit<BackupRunSpec, 'takeover'> {
  const { name } = policy.metadata;
  const spec = usable(policy, mode);
  if (spec.suspend) {
    throw new CommandError(
      'Refused',
      `BackupPolicy ${name} is suspended: the run would wait`,
      'Set spec.suspend of the policy to false first.',
    );
  }
  const known = [...new Set(spec.schedules.flatMap(({ dump }) => dump.databases))];
  const [only] = known;
  const chosen = database ?? (known.length === 1 ? only : undefined);
  if (chosen !== undefined) return { policyName: name, method: 'Dump', dump: { databases: [chosen] } };
  throw new CommandError(
    'Refused',
    known.length === 0
      ? `BackupPolicy ${name} has no schedule that names a database`
      : `BackupPolicy ${name} names several databases: ${known.join(', ')}`,
    'Name the one to back up: --database NAME.',
  );
}

function usable(policy: Resource, mode: Mode): BackupPolicySpec {
  try {
    const spec = parseSpec('BackupPolicy', policy.spec);
    checkMode('BackupPolicy', spec, mode);
    return spec;
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    const message = `BackupPolicy ${policy.metadata.name} cannot be used: ${thrown.sentence}`;
    throw new CommandError('Refused', message, thrown.hint);
  }
}
