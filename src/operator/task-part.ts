import type { BackupPolicySpec } from '../api/backup-policy.ts';
import type { TaskRecord } from '../api/status-field.ts';
import { parseDurationMs } from '../base/duration.ts';
import type { OwnerReference, Resource } from '../cluster/resource.ts';
import type { SecretMount, TaskSpec } from '../cluster/runner.ts';
import { podRoot } from '../contract/layout.ts';
import type { SecretRef, TaskServer, TaskStore } from '../contract/task.ts';
import { agentDeadlineMs } from './judge-task.ts';

/** A part of a task and the secrets that have to be mounted for it. */
export interface TaskPart<Value> {
  value: Value;
  secrets: SecretMount[];
}

interface ServerSpec {
  host?: string | undefined;
  service?: string | undefined;
  port: number;
  tls: BackupPolicySpec['target']['tls'];
}

interface CredentialsSpec {
  secretName: string;
  usernameKey: string;
  passwordKey: string;
}

/** The server of a target and the role to use there; the role's name is the name of the mount. */
export function serverPart(
  engine: BackupPolicySpec['engine'],
  { host, service, port, tls }: ServerSpec,
  role: 'backup' | 'admin',
  credentials: CredentialsSpec,
  namespace: string,
): TaskPart<TaskServer> {
  const { usernameKey, passwordKey, secretName } = credentials;
  const ca = tls.caSecretName === undefined ? undefined : caMount(`${role}-ca`, tls.caSecretName);
  return {
    value: {
      engine,
      host: host ?? `${service}.${namespace}.svc`,
      port,
      username: { mount: role, key: usernameKey },
      password: { mount: role, key: passwordKey },
      tls: { mode: tls.mode, ...(ca !== undefined && { ca: ca.ref }) },
    },
    secrets: [mountOf(role, secretName, usernameKey, passwordKey), ...(ca === undefined ? [] : [ca.mount])],
  };
}

/** The store of a policy, with the volume that it needs in a pod. */
export function storePart({
  stores: [store],
}: Pick<BackupPolicySpec, 'stores'>): TaskPart<TaskStore> & Pick<TaskSpec, 'volumes'> {
  // The schema asks for exactly one.
  if (store === undefined) throw new Error('a policy without a store');
  const { name, filesystem, s3 } = store;
  if (s3 !== undefined) {
    const { accessKeyIdKey, secretAccessKeyKey, secretName } = s3.credentials;
    const ca = s3.caSecretName === undefined ? undefined : caMount('store-ca', s3.caSecretName);
    return {
      value: {
        kind: 's3',
        name,
        bucket: s3.bucket,
        prefix: s3.prefix ?? '',
        region: s3.region,
        ...(s3.endpoint !== undefined && { endpoint: s3.endpoint }),
        forcePathStyle: s3.forcePathStyle,
        requestChecksums: s3.requestChecksums,
        accessKeyId: { mount: 'store', key: accessKeyIdKey },
        secretAccessKey: { mount: 'store', key: secretAccessKeyKey },
        ...(ca !== undefined && { ca: ca.ref }),
      },
      secrets: [
        mountOf('store', secretName, accessKeyIdKey, secretAccessKeyKey),
        ...(ca === undefined ? [] : [ca.mount]),
      ],
      volumes: [],
    };
  }
  const claimName = filesystem?.claimName;
  // A claim is mounted in pods only, and there the root is always the same.
  const path = claimName === undefined ? (filesystem?.path ?? '') : `${podRoot}/store`;
  return {
    value: { kind: 'filesystem', name, path },
    secrets: [],
    volumes: claimName === undefined ? [] : [{ claimName, path }],
  };
}

export function identityPart(
  identity: { secretName: string; key: string } | undefined,
): TaskPart<SecretRef | undefined> {
  if (identity === undefined) return { value: undefined, secrets: [] };
  const { secretName, key } = identity;
  return { value: { mount: 'identity', key }, secrets: [mountOf('identity', secretName, key)] };
}

/** What every task of an object has in common; the runner stops it a minute after the agent should have done so. */
export function taskFrame(
  object: Resource,
  name: string,
  record: TaskRecord,
): Pick<TaskSpec, 'name' | 'namespace' | 'owner' | 'runningMs'> {
  return {
    name,
    namespace: object.metadata.namespace,
    owner: ownerOf(object),
    runningMs: agentDeadlineMs(record) - Date.parse(record.startedAt) + parseDurationMs('1m'),
  };
}

const ownerOf = ({ apiVersion, kind, metadata: { name, uid } }: Resource): OwnerReference => ({
  apiVersion,
  kind,
  name,
  uid,
  controller: true,
});

/** Files are called like the keys, so that a message about a key means the same to user and agent. */
const mountOf = (mount: string, secretName: string, ...keys: string[]): SecretMount => ({
  mount,
  secretName,
  keys: Object.fromEntries(keys.map((key) => [key, key])),
});

const caMount = (mount: string, secretName: string): { ref: SecretRef; mount: SecretMount } => ({
  ref: { mount, key: 'ca.crt' },
  mount: mountOf(mount, secretName, 'ca.crt'),
});
