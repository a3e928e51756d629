import type { RestoreRequestSpec, RestoreRequestStatus } from '../../api/restore-request.ts';
import type { TaskRecord } from '../../api/status-field.ts';
import type { Resource } from '../../cluster/resource.ts';
import type { TaskSpec } from '../../cluster/runner.ts';
import { taskVersion } from '../../contract/task.ts';
import { agentDeadlineMs } from '../judge-task.ts';
import { restoreTask } from '../task-name.ts';
import { identityPart, serverPart, storePart, taskFrame } from '../task-part.ts';
import type { RestoreBasis } from './take-over.ts';

export type ChosenSource = NonNullable<RestoreRequestStatus['source']>;

/** Pure: the one task of a request. */
export function restoreTaskSpec(
  request: Resource,
  spec: RestoreRequestSpec,
  basis: RestoreBasis,
  source: ChosenSource,
  record: TaskRecord,
): TaskSpec {
  const { name, namespace, uid } = request.metadata;
  const { credentials, database, ...address } = spec.target;
  const server = serverPart(basis.engine, address, 'admin', credentials.admin, namespace);
  const store = storePart(basis);
  const identity = identityPart(basis.identity);
  return {
    ...taskFrame(request, restoreTask(name), record),
    secrets: [...server.secrets, ...store.secrets, ...identity.secrets],
    volumes: store.volumes,
    tool: record.toolImage === undefined ? {} : { image: record.toolImage },
    pod: basis.jobs,
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
