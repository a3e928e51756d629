import { z } from 'zod';

/**
 * What the operator asks of the agent: one JSON file, `task.json`, in the task's root directory. Both sides read this
 * file, so a change that an older agent cannot understand raises `taskVersion`. It holds no secret, only where a secret
 * is mounted: `secrets/<mount>/<key>` under the root.
 */
export const taskVersion = 1;

const secretRef = z.strictObject({
  /** Directory under `secrets/`. */
  mount: z.string(),
  key: z.string(),
});
export type SecretRef = z.infer<typeof secretRef>;

const server = z.strictObject({
  engine: z.enum(['PostgreSQL']),
  host: z.string(),
  port: z.int(),
  username: secretRef,
  password: secretRef,
  tls: z.strictObject({
    mode: z.enum(['Disable', 'Require', 'VerifyCA', 'VerifyFull']),
    ca: secretRef.optional(),
  }),
});
export type TaskServer = z.infer<typeof server>;

const store = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('filesystem'), name: z.string(), path: z.string() }),
  z.strictObject({
    kind: z.literal('s3'),
    name: z.string(),
    bucket: z.string(),
    prefix: z.string(),
    region: z.string(),
    endpoint: z.string().optional(),
    forcePathStyle: z.boolean(),
    requestChecksums: z.enum(['WhenSupported', 'WhenRequired']),
    accessKeyId: secretRef,
    secretAccessKey: secretRef,
    ca: secretRef.optional(),
  }),
]);
export type TaskStore = z.infer<typeof store>;

const owner = z.strictObject({ clusterId: z.string(), namespace: z.string(), policy: z.string() });

const base = {
  taskVersion: z.literal(taskVersion),
  /** For logs and for the application_name that the server shows: `namespace/name` of the run or request. */
  object: z.string(),
  store,
  /** Epoch milliseconds after which the agent stops by itself. */
  deadlineMs: z.number(),
};

const backup = z.strictObject({
  ...base,
  verb: z.literal('backup'),
  runUid: z.string(),
  owner,
  takeover: z.boolean(),
  server,
  method: z.literal('Dump'),
  dump: z.strictObject({ database: z.string() }),
  compression: z.strictObject({ algorithm: z.enum(['Zstd', 'Gzip', 'None']), level: z.int() }),
  recipients: z.array(z.string()),
});

/** Looks whether the run's manifest is in the store after an attempt ended without a word. Writes nothing. */
const inspect = z.strictObject({ ...base, verb: z.literal('inspect'), runUid: z.string() });

const restore = z.strictObject({
  ...base,
  verb: z.literal('restore'),
  requestUid: z.string(),
  runUid: z.string(),
  /** SHA-256 of the manifest as the run's status has it; another manifest in its place is refused. */
  manifestSha256: z.string(),
  server,
  database: z.string(),
  identity: secretRef.optional(),
});

export const task = z.discriminatedUnion('verb', [backup, inspect, restore]);
export type Task = z.infer<typeof task>;
export type BackupTask = z.infer<typeof backup>;
export type InspectTask = z.infer<typeof inspect>;
export type RestoreTask = z.infer<typeof restore>;
