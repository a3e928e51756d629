import { z } from 'zod';
import {
  accessKeyFields,
  databaseName,
  duration,
  exactlyOne,
  identity,
  image,
  namespaceName,
  objectName,
  secretName,
  serverAddress,
  serverCredentials,
  withRules,
} from './field.ts';
import { conditions, currentTask, failure, observedGeneration, progress, task, time, turn } from './status-field.ts';

const source = withRules(
  z.strictObject({
    namespace: namespaceName()
      .optional()
      .describe(
        'Namespace of the run or policy. Left out: the one of this request. In any other a BackupGrant must name the ' +
          'namespace of this request for as long as the request is at work. The policy there only says where the ' +
          'backup lies and how large the pod is: toolImages.restore, storeCredentials and identity are not taken from ' +
          'it and have to be given here. A store on a volume claim cannot be read from another namespace.',
      ),
    runName: objectName().optional().describe('BackupRun that has Succeeded.'),
    policyName: objectName().optional().describe('BackupPolicy: its newest run that has Succeeded.'),
    storeCredentials: z
      .strictObject({
        ...accessKeyFields(),
        caSecretName: secretName()
          .optional()
          .describe(
            'Secret whose key ca.crt holds the CA certificates of the endpoint, PEM. Left out: the one of the policy, ' +
              'of another namespace none.',
          ),
      })
      .optional()
      .describe(
        'Access key to read the backup with, for a store of kind s3. Left out: the one of the policy. Needed for a policy of ' +
          'another namespace. Requests are signed with it for the endpoint that the policy names.',
      ),
    identity: identity(
      'Secret key to open the backup with. Left out: the one of the policy, of another namespace none.',
    ).optional(),
  }),
  exactlyOne('runName', 'policyName'),
);

const target = withRules(
  z.strictObject({
    ...serverAddress,
    database: databaseName(),
    credentials: z
      .strictObject({
        admin: serverCredentials(
          'Role that may create everything that is in the backup; docs/postgres.md lists its grants.',
        ),
      })
      .describe('Roles on the server, each named after what it is used for.'),
  }),
  exactlyOne('host', 'service'),
);

export const restoreRequestSpec = z
  .strictObject({
    source: source.describe('What is restored.'),
    strategy: z
      .enum(['NewInstance'])
      .default('NewInstance')
      .describe('NewInstance: into an empty database of a running server. Nothing that exists is replaced.'),
    target: target.describe('Where it is restored to. The database exists and is empty.'),
    toolImages: z
      .strictObject({ restore: image('Image with sh and with pg_restore, no older than the backup.') })
      .optional()
      .describe(
        'Left out: toolImages.dump of the policy, or the image that its target.workload runs, or the one the backup was made with. ' +
          'Needed for a source in another namespace. Kubernetes only.',
      ),
    startingDeadline: duration('10m', 'How long the task may wait for image, secret, volume and node.', '1d'),
    runningDeadline: duration('24h', 'How long the restore may take.', '30d'),
  })
  .meta({
    'x-kubernetes-validations': [
      { rule: 'self == oldSelf', message: 'a request cannot be changed: delete it and create another one' },
    ],
  });
export type RestoreRequestSpec = z.output<typeof restoreRequestSpec>;

export const restoreRequestStatus = z.object({
  observedGeneration,
  phase: z
    .enum(['Validating', 'Preparing', 'Replaying', 'Succeeded', 'Failed'])
    .optional()
    .describe(
      'Validating: looking for the backup or waiting for its turn, nothing is touched. Preparing: the task waits to begin. Replaying: the task ' +
        'checks, fetches, restores and compares. Succeeded and Failed are final.',
    ),
  conditions,
  startedAt: time.optional().describe('When the task was asked for.'),
  completedAt: time.optional().describe('When the request succeeded or failed.'),
  duration: z.string().optional().describe('From startedAt to completedAt, for people.'),
  turn: turn.optional().describe('What the request waits for, and what it keeps from others until it is over.'),
  task: task.optional().describe('The one task of this request.'),
  currentTask,
  progress,
  source: z
    .object({
      namespace: z.string().optional().describe('Namespace of run and policy, when it is another one.'),
      run: z.string().describe('Name of the BackupRun.'),
      policy: z.string().describe('Name of the BackupPolicy that says where it lies.'),
      toolImage: z.string().optional().describe('Image that it was made with.'),
      runUid: z.string().describe('Which set it is in the store.'),
      manifestSha256: z.string().describe('No other manifest is taken.'),
      consistentAt: time.describe('The moment that is brought back.'),
    })
    .optional()
    .describe('The backup that was chosen. It does not change any more, whatever runs come later.'),
  result: z
    .object({
      bytes: z.int().describe('Plain bytes given to the tool.'),
      tableCount: z.int().describe('Tables whose rows were counted and compared.'),
      rowCount: z.int().describe('Rows in all tables.'),
      foreignKeyCount: z
        .int()
        .describe(
          'Foreign keys that were joined: none points nowhere. Those not validated, not enforced or temporal are not among them.',
        ),
      durationMs: z.int().describe('How long the agent worked.'),
    })
    .optional()
    .describe('What was restored and compared with what the backup held.'),
  failure,
});
export type RestoreRequestStatus = z.output<typeof restoreRequestStatus>;
