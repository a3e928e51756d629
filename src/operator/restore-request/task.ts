import type { BackupPolicySpec } from '../../api/backup-policy.ts';
import type { RestoreRequestSpec, RestoreRequestStatus } from '../../api/restore-request.ts';
import type { TaskRecord } from '../../api/status-field.ts';
import type { Resource } from '../../cluster/resource.ts';
import type { TaskSpec } from '../../cluster/runner.ts';
import { taskVersion } from '../../contract/task.ts';
import { agentDeadlineMs } from '../judge-task.ts';
import { restoreTask } from '../task-name.ts';
import { identityPart, serverPart, storePart, taskFrame } from '../task-part.ts';

export type ChosenSource = NonNullable<RestoreRequestStatus['source']>;

/** Pure: the one task of a request. `policy` is the one of the chosen run: it says where the backup lies. */
export function restoreTaskSpec(
  request: Resource,
  spec: RestoreRequestSpec,
  policy: BackupPolicySpec,
  source: ChosenSource,
  record: TaskRecord,
): TaskSpec {
  const { name, namespace, uid } = request.metadata;
  const { credentials, database, ...address } = spec.target;
  const server = serverPart(policy.engine, address, 'admin', credentials.admin, namespace);
  const store = storePart(policy);
  const identity = identityPart(spec.source.identity ?? policy.encryption?.age.identity);
  return {
    ...taskFrame(request, restoreTask(name), record),
    secrets: [...server.secrets, ...store.secrets, ...identity.secrets],
    volumes: store.volumes,
    tool: record.toolImage === undefined ? {} : { image: record.toolImage },
    pod: policy.jobs,
    task: () => ({
      taskVersion,
      verb: 'restore',
      object: `${namespace}/${name}`,
      store: store.value,
      deadlineMs: agentDeadlineMs(record),
      requestUid: uid,
      runUid: source.runUid,
      manifestSha256: source.manifestSha256,
      server: server.value,
      database,
      ...(identity.value !== undefined && { identity: identity.value }),
    }),
  };
}
