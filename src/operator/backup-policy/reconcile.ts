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
import type { Draft, Resource } from '../../cluster/resource.ts';
import { type Decision, decide, type RunView } from './decide.ts';

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
      const runs = (await objects.list('BackupRun', namespace)).filter((run) => policyName(run) === name).map(viewOf);
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
  policy: Resource,
  { name, schedule, tick }: Decision['create'][number],
): Promise<void> {
  const { method, dump } = schedule;
  const draft: Draft = {
    kind: 'BackupRun',
    metadata: {
      name,
      namespace: policy.metadata.namespace,
      labels: { [policyLabel]: policy.metadata.name, [scheduleLabel]: schedule.name },
      annotations: { [tickAnnotation]: tick },
    },
    spec: { policyName: policy.metadata.name, method, dump },
  };
  try {
    await objects.create(draft);
  } catch (error) {
    // Made before a crash, or by somebody else: the tick has its run.
    if (!(error instanceof ObjectsError && error.code === 'AlreadyExists')) throw error;
  }
}

const policyName = (run: Resource): string | undefined => (run.spec as Partial<BackupRunSpec> | undefined)?.policyName;

function policyKeys(run: Resource) {
  const name = policyName(run);
  return name === undefined ? [] : [{ namespace: run.metadata.namespace, name }];
}

function viewOf({ metadata, status }: Resource): RunView {
  const { phase = 'Pending', set, failure } = (status ?? {}) as BackupRunStatus;
  return {
    name: metadata.name,
    schedule: metadata.labels?.[scheduleLabel],
    createdAt: metadata.creationTimestamp,
    phase,
    set,
    failure,
  };
}
