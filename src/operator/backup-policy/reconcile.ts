import type { BackupPolicyStatus } from '../../api/backup-policy.ts';
import type { BackupRunSpec, BackupRunStatus } from '../../api/backup-run.ts';
import { checkMode, type Mode } from '../../api/mode.ts';
import { policyLabel, scheduleLabel, tickAnnotation } from '../../api/names.ts';
import { parseSpec } from '../../api/parse.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { onObjects, type Reconciler } from '../../cluster/controller.ts';
import { type Objects, ObjectsError } from '../../cluster/objects.ts';
import { stalled } from '../../cluster/outcome.ts';
import { policyNameOf, type Resource } from '../../cluster/resource.ts';
import { type Decision, decide, type RunView } from './decide.ts';
import { distinctRunName } from './run-name.ts';

/**
 * Makes the runs of a policy's schedules and says in its status how protected the database is. Runs are not owned by
 * their policy: they are the record by which a restore finds the backup, and deleting YAML never takes that away.
 */
export function createPolicyReconciler({
  objects,
  mode,
  log,
}: {
  objects: Objects;
  mode: Mode;
  log: Logger;
}): Reconciler {
  return {
    kind: 'BackupPolicy',
    triggers: [onObjects(objects, 'BackupRun', (run) => policyKeys(run))],
    async reconcile(policy, { nowMs }) {
      // Nothing of ours holds a policy: what is deleted is only waiting for somebody else's finalizer.
      if (policy.metadata.deletionTimestamp !== undefined) return { outcome: stalled('Stopped', 'it was deleted') };
      const { name, namespace } = policy.metadata;
      const status = policy.status as BackupPolicyStatus | undefined;
      const spec = readSpec(policy, mode);
      if (spec instanceof Fault) {
        const { nextRun: _none, ...rest } = status ?? {};
        return { outcome: stalled(spec.reason, `${spec.sentence}. ${spec.hint}`), status: rest };
      }
      const runs = (await objects.listRunsOf({ namespace, name })).map(viewOf);
      const decision = decide({ name, createdAt: policy.metadata.creationTimestamp, spec, status }, runs, nowMs);
      for (const run of decision.create) {
        log.debug({ step: 'create-run', object: `${namespace}/${name}`, run: run.name }, 'step');
        await createRun(objects, policy, run);
      }
      return { outcome: decision.outcome, status: decision.status };
    },
  };
}

function readSpec(policy: Resource, mode: Mode) {
  try {
    const spec = parseSpec('BackupPolicy', policy.spec);
    checkMode('BackupPolicy', spec, mode);
    return spec;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}

async function createRun(
  objects: Objects,
  { metadata: { name: policy, namespace } }: Resource,
  { name, schedule, tick }: Decision['create'][number],
): Promise<void> {
  const { method, dump } = schedule;
  const labels = { [policyLabel]: policy, [scheduleLabel]: schedule.name };
  const annotations = { [tickAnnotation]: tick };
  for (const tried of [name, distinctRunName(policy, schedule.name, Date.parse(tick))]) {
    const metadata = { name: tried, namespace, labels, annotations };
    try {
      await objects.create({ kind: 'BackupRun', metadata, spec: { policyName: policy, method, dump } });
      return;
    } catch (error) {
      if (!(error instanceof ObjectsError && error.code === 'AlreadyExists')) throw error;
    }
    // Made before a crash, or by somebody else: the tick has its run. Unless it is the run of another policy.
    const found = await objects.get('BackupRun', { namespace, name: tried });
    if (found === undefined) throw new ObjectsError('Conflict', `run ${tried} came and went`);
    const { [scheduleLabel]: foundSchedule = schedule.name } = found.metadata.labels ?? {};
    if (policyNameOf(found) === policy && foundSchedule === schedule.name) return;
  }
  throw new ObjectsError('AlreadyExists', `run ${name} belongs to another policy, and so does its other name`);
}

function policyKeys(run: Resource) {
  const name = policyNameOf(run);
  return name === undefined ? [] : [{ namespace: run.metadata.namespace, name }];
}

function viewOf({ metadata, spec, status }: Resource): RunView {
  const { phase = 'Pending', set, failure } = (status ?? {}) as BackupRunStatus;
  return {
    name: metadata.name,
    schedule: metadata.labels?.[scheduleLabel],
    tick: metadata.annotations?.[tickAnnotation],
    database: (spec as Partial<BackupRunSpec> | undefined)?.dump?.databases[0],
    createdAt: metadata.creationTimestamp,
    phase,
    set,
    failure,
  };
}
