import type { BackupPolicySpec } from '../../api/backup-policy.ts';
import type { BackupRunSpec } from '../../api/backup-run.ts';
import type { Attempt, TaskRecord } from '../../api/status-field.ts';
import type { Resource } from '../../cluster/resource.ts';
import type { TaskSpec } from '../../cluster/runner.ts';
import { taskVersion } from '../../contract/task.ts';
import { agentDeadlineMs } from '../judge-task.ts';
import { attemptTask, inspectionTask } from '../task-name.ts';
import { serverPart, storePart, taskFrame } from '../task-part.ts';

export interface RunTaskInput {
  run: Resource;
  spec: BackupRunSpec;
  policy: BackupPolicySpec;
  clusterId: string;
}

/** Levels that the reference promises when none is given. */
const levels = { Zstd: 3, Gzip: 6, None: 0 } as const;

/** Pure: the task of an attempt. The same attempt always gives the same task, however often it is asked for. */
export function backupTask({ run, spec, policy, clusterId }: RunTaskInput, attempt: Attempt): TaskSpec {
  const { name, namespace, uid } = run.metadata;
  const { credentials, ...address } = policy.target;
  const server = serverPart(policy.engine, address, 'backup', credentials.backup, namespace);
  const store = storePart(policy);
  const { algorithm, level = levels[policy.compression.algorithm] } = policy.compression;
  return {
    ...taskFrame(run, attemptTask(name, attempt.number), attempt),
    secrets: [...server.secrets, ...store.secrets],
    volumes: store.volumes,
    tool: attempt.toolImage === undefined ? {} : { image: attempt.toolImage },
    pod: policy.jobs,
    task: () => ({
      taskVersion,
      verb: 'backup',
      object: `${namespace}/${name}`,
      store: store.value,
      deadlineMs: agentDeadlineMs(attempt),
      runUid: uid,
      owner: { clusterId, namespace, policy: spec.policyName },
      takeover: spec.takeover,
      server: server.value,
      method: spec.method,
      dump: { database: spec.dump.databases[0] ?? '' },
      compression: { algorithm, level },
      recipients: policy.encryption?.age.recipients ?? [],
    }),
  };
}

/** Pure: the task that looks whether an attempt that ended without a word left a manifest. */
export function inspectTask(
  { run, policy }: RunTaskInput,
  attempt: Attempt,
  inspection: TaskRecord & { number: number },
): TaskSpec {
  const { name, namespace, uid } = run.metadata;
  const store = storePart(policy);
  return {
    ...taskFrame(run, inspectionTask(name, attempt.number, inspection.number), inspection),
    secrets: store.secrets,
    volumes: store.volumes,
    tool: undefined,
    pod: policy.jobs,
    task: () => ({
      taskVersion,
      verb: 'inspect',
      object: `${namespace}/${name}`,
      store: store.value,
      deadlineMs: agentDeadlineMs(inspection),
      runUid: uid,
    }),
  };
}
