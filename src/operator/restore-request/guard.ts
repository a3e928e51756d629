import type { BackupPolicySpec } from '../../api/backup-policy.ts';
import type { BackupRunSpec, BackupRunStatus } from '../../api/backup-run.ts';
import type { RestoreRequestSpec } from '../../api/restore-request.ts';
import { Fault } from '../../base/fault.ts';
import type { Resource } from '../../cluster/resource.ts';
import type { ChosenSource } from './task.ts';

/**
 * Pure: the backup that a request means, out of the runs of its namespace. A policy that backs up several databases is
 * asked for the one that has the target's name: the newest of all could be another database's. Throws ReferenceMissing
 * when the named run is not there, BackupMissing when there is no backup that succeeded. Nothing was touched then.
 */
export function chooseBackup(
  { source: { runName, policyName }, target }: Pick<RestoreRequestSpec, 'source' | 'target'>,
  runs: readonly Resource[],
  policy: BackupPolicySpec | undefined,
): ChosenSource {
  if (runName !== undefined) return named(runName, runs);
  const itsRuns = runs.filter((run) => specOf(run)?.policyName === policyName);
  const databases = new Set(
    [...itsRuns.map(specOf), ...(policy?.schedules ?? [])].flatMap((one) => one?.dump?.databases ?? []),
  );
  const isOne = databases.size <= 1;
  const newest = itsRuns
    .filter((run) => isOne || specOf(run)?.dump?.databases.includes(target.database))
    .flatMap((run) => chosen(run) ?? [])
    .sort((one, other) => Date.parse(other.consistentAt) - Date.parse(one.consistentAt))[0];
  if (newest !== undefined) return newest;
  if (isOne) throw new Fault('BackupMissing', `no run of policy ${policyName} has succeeded`);
  const names = [...databases].sort().map((each) => `"${each}"`);
  throw new Fault(
    'BackupMissing',
    `policy ${policyName} backs up ${names.join(', ')}, and no run of "${target.database}" has succeeded`,
    { hint: 'Name the backup to restore in spec.source.runName.' },
  );
}

const specOf = (run: Resource): Partial<BackupRunSpec> | undefined => run.spec as Partial<BackupRunSpec> | undefined;

function named(name: string, runs: readonly Resource[]): ChosenSource {
  const run = runs.find(({ metadata }) => metadata.name === name);
  if (run === undefined) throw new Fault('ReferenceMissing', `there is no BackupRun ${name}`);
  const found = chosen(run);
  if (found !== undefined) return found;
  const { phase = 'Pending' } = (run.status ?? {}) as BackupRunStatus;
  if (phase === 'Failed') throw new Fault('BackupMissing', `run ${name} failed: it left no backup`);
  throw new Fault('ReferenceMissing', `run ${name} is not over: it is ${phase}`, {
    hint: 'Wait until it has succeeded.',
  });
}

function chosen({ metadata, spec, status }: Resource): ChosenSource | undefined {
  const { phase, set, attempts = [] } = (status ?? {}) as BackupRunStatus;
  if (phase !== 'Succeeded' || set === undefined) return undefined;
  const { runUid, manifestSha256, consistentAt } = set;
  const toolImage = attempts.at(-1)?.toolImage;
  return {
    run: metadata.name,
    policy: (spec as BackupRunSpec).policyName,
    runUid,
    manifestSha256,
    consistentAt,
    ...(toolImage !== undefined && { toolImage }),
  };
}
