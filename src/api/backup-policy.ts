import { z } from 'zod';
import { cron, timeZone } from './cron.ts';
import {
  accessKeyFields,
  databaseName,
  duration,
  exactlyOne,
  identity,
  image,
  objectName,
  secretName,
  serverAddress,
  serverCredentials,
  shortName,
  text,
  withRules,
} from './field.ts';
import { jobSettings } from './job-settings.ts';
import { conditions, observedGeneration, phase, time } from './status-field.ts';

const workload = z.strictObject({
  kind: z.enum(['StatefulSet', 'Deployment']).describe('What the server runs as.'),
  name: objectName().describe('Its name, in the same namespace.'),
  container: objectName()
    .optional()
    .describe('The container of the server. Left out: the only one, or the one that exposes the port of the target.'),
});

const target = withRules(
  z.strictObject({
    ...serverAddress,
    workload: workload
      .optional()
      .describe('Where the server runs. Kubernetes only: the tools are taken out of its image, so that they fit.'),
    credentials: z
      .strictObject({
        backup: serverCredentials(
          'Role that may read everything that is backed up; docs/postgres.md lists its grants.',
        ),
      })
      .describe('Roles on the server, each named after what it is used for.'),
  }),
  exactlyOne('host', 'service'),
);

const filesystem = withRules(
  z.strictObject({
    claimName: objectName().optional().describe('PersistentVolumeClaim in the same namespace. Kubernetes only.'),
    path: text(1024, '^/.+$', 'must be an absolute path')
      .optional()
      .describe('Directory that exists. Standalone only.'),
  }),
  exactlyOne('claimName', 'path'),
);

const s3 = z.strictObject({
  bucket: text(63, '^[A-Za-z0-9][A-Za-z0-9._-]+$', 'must be a bucket name').describe('Bucket that exists.'),
  prefix: text(
    512,
    '^[A-Za-z0-9_][A-Za-z0-9_.=+@-]*(/[A-Za-z0-9_][A-Za-z0-9_.=+@-]*)*$',
    'must be names joined by /, such as prod/shop, without a / at the ends',
  )
    .optional()
    .describe('Where in the bucket the repository lies. One prefix belongs to one policy of one cluster.'),
  region: text(64, '^[A-Za-z0-9-]+$', 'must be the name of a region')
    .default('us-east-1')
    .describe('Region of the bucket.'),
  endpoint: text(
    512,
    '^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]+)?/?$',
    'must be a URL such as https://s3.example.com:9000, without a path',
  )
    .optional()
    .describe('URL of an S3 service that is not AWS.'),
  forcePathStyle: z
    .boolean()
    .default(false)
    .describe('Put the bucket into the path and not into the host name, as most services that are not AWS want it.'),
  requestChecksums: z
    .enum(['WhenSupported', 'WhenRequired'])
    .default('WhenSupported')
    .describe('WhenRequired for services that refuse the checksum headers of newer SDKs.'),
  credentials: z
    .strictObject(accessKeyFields())
    .describe('Access key with the rights to list, read, write and delete below the prefix.'),
  caSecretName: secretName()
    .optional()
    .describe('Secret whose key ca.crt holds the CA certificates of the endpoint, PEM.'),
});

const store = withRules(
  z.strictObject({
    name: shortName().describe('Name of the store in status and messages.'),
    filesystem: filesystem.optional().describe('A directory on a volume or on this machine.'),
    s3: s3.optional().describe('A bucket of an S3 service.'),
  }),
  exactlyOne('filesystem', 's3'),
);

const compression = withRules(
  z.strictObject({
    algorithm: z.enum(['Zstd', 'Gzip', 'None']).default('Zstd').describe('How the bytes are compressed.'),
    level: z
      .int()
      .min(1)
      .max(19)
      .optional()
      .describe('1 is fast, 9 (Gzip) or 19 (Zstd) is small. Left out: 3 for Zstd, 6 for Gzip.'),
  }),
  {
    cel: `!has(self.level) || self.algorithm == 'Zstd' || (self.algorithm == 'Gzip' && self.level <= 9)`,
    message: 'level goes from 1 to 9 for Gzip and has no meaning for None',
    holds: ({ algorithm, level }) =>
      level === undefined || algorithm === 'Zstd' || (algorithm === 'Gzip' && level <= 9),
  },
);

const age = z.strictObject({
  recipients: z
    .array(text(62, '^age1[02-9ac-hj-np-z]{58}$', 'must be an age recipient: age1 and 58 more letters and digits'))
    .min(1)
    .max(16)
    .describe('Public keys: who has the secret half of any one of them can read the backups.'),
  identity: identity(
    'Secret key to read the backups here. Without it this place can back up, but restores say IdentityNotHere.',
  ).optional(),
});

/** What a dump takes; a list, because a later version takes several in one snapshot. */
export const dump = z
  .strictObject({ databases: z.array(databaseName()).min(1).max(1).describe('The one database to dump.') })
  .describe('What the dump takes.');

const schedule = z.strictObject({
  name: shortName().describe('Part of the names of the runs.'),
  cron,
  timeZone,
  immediate: z
    .boolean()
    .default(false)
    .describe('Make the first run at once instead of leaving the database without a backup until the first tick.'),
  method: z.enum(['Dump']).describe('Dump: a logical backup by pg_dump.'),
  dump,
});

const uniqueNames = (items: { name: string }[]): boolean =>
  new Set(items.map(({ name }) => name)).size === items.length;

export const backupPolicySpec = z.strictObject({
  engine: z.enum(['PostgreSQL']).describe('The kind of database server.'),
  target: target.describe('The server that is backed up.'),
  toolImages: z
    .strictObject({
      dump: image(
        'Image with sh and with pg_dump and pg_restore at least as new as the server: the image of the server itself fits.',
      ),
    })
    .optional()
    .describe('Images of the tools. Left out: the image that target.workload runs, by its digest. Kubernetes only.'),
  stores: z.array(store).min(1).max(1).meta({ listKey: 'name' }).describe('Where the backups lie: one store.'),
  compression: compression.prefault({}).describe('Compression of what is stored.'),
  encryption: z
    .strictObject({ age: age.describe('Encryption in the format of age.') })
    .optional()
    .describe('Left out: the backups are stored in clear.'),
  schedules: withRules(z.array(schedule).max(16), {
    message: 'must have names that differ',
    holds: uniqueNames,
  })
    .meta({ listKey: 'name' })
    .default([])
    .describe('When runs are made. Without any, runs are made by hand only.'),
  suspend: z.boolean().default(false).describe('Make no scheduled runs. Runs made by hand wait, too.'),
  startingDeadline: duration('10m', 'How long a task may wait for image, secret, volume and node.', '1d'),
  runningDeadline: duration('12h', 'How long a backup may take.', '30d'),
  jobs: jobSettings
    .optional()
    .describe('The pods of the backups of this policy, and of the restores of what they made. Kubernetes only.'),
});
export type BackupPolicySpec = z.output<typeof backupPolicySpec>;
export type PolicySchedule = BackupPolicySpec['schedules'][number];

export const backupPolicyStatus = z.object({
  observedGeneration,
  conditions,
  nextRun: time.optional().describe('When the next scheduled run is due.'),
  lastRun: z
    .object({
      name: z.string().describe('Name of the BackupRun.'),
      phase,
      createdAt: time.describe('When it was made.'),
    })
    .optional()
    .describe('The newest run, however it stands.'),
  lastSuccess: z
    .object({
      run: z.string().describe('Name of the BackupRun.'),
      time: time.describe('The moment the backup is of.'),
      storedBytes: z.int().describe('Bytes in the store.'),
      size: z.string().describe('The same for people.'),
    })
    .optional()
    .describe(
      'The newest backup that can be restored. With schedules for several databases: of the one least protected.',
    ),
  schedules: z
    .array(
      z.object({
        name: z.string().describe('Name of the schedule.'),
        firstSeen: time
          .optional()
          .describe('When the schedule was first seen: its first backup is waited for from then on.'),
        lastTick: time.describe('The newest tick that was dealt with: a run was made for it, or it was skipped.'),
        lastSkipped: z
          .object({ tick: time.describe('When a run was due.'), message: z.string().describe('Why there is none.') })
          .optional()
          .describe('The newest tick without a run.'),
      }),
    )
    .meta({ listKey: 'name' })
    .optional()
    .describe('How far each schedule has come.'),
});
export type BackupPolicyStatus = z.output<typeof backupPolicyStatus>;
