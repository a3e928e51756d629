import type { BackupRunSpec, BackupRunStatus } from '../../api/backup-run.ts';
import type { RestoreRequestSpec } from '../../api/restore-request.ts';
import { Fault } from '../../base/fault.ts';
import type { Resource } from '../../cluster/resource.ts';
import type { ChosenSource } from './task.ts';

/**
 * Pure: the backup that a request means, out of the runs of its namespace. Throws ReferenceMissing when the named run is
 * not there, BackupMissing when there is no backup that succeeded. Nothing was touched then.
 */
export function chooseBackup(
  { runName, policyName }: RestoreRequestSpec['source'],
  runs: readonly Resource[],
): ChosenSource {
  if (runName !== undefined) return named(runName, runs);
  const newest = runs
    .filter((run) => (run.spec as Partial<BackupRunSpec> | undefined)?.policyName === policyName)
    .flatMap((run) => chosen(run) ?? [])
    .sort((one, other) => Date.parse(other.consistentAt) - Date.parse(one.consistentAt))[0];
  if (newest === undefined) throw new Fault('BackupMissing', `no run of policy ${policyName} has succeeded`);
  return newest;
}

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
  const { phase, set } = (status ?? {}) as BackupRunStatus;
  if (phase !== 'Succeeded' || set === undefined) return undefined;
  const { runUid, manifestSha256, consistentAt } = set;
  return { run: metadata.name, policy: (spec as BackupRunSpec).policyName, runUid, manifestSha256, consistentAt };
}
