import { z } from 'zod';
import { dump } from './backup-policy.ts';
import { objectName } from './field.ts';
import {
  attempts,
  conditions,
  currentTask,
  failure,
  observedGeneration,
  phase,
  progress,
  time,
  turn,
} from './status-field.ts';

export const backupRunSpec = z
  .strictObject({
    policyName: objectName().describe('BackupPolicy in the same namespace.'),
    method: z.enum(['Dump']).describe('Dump: a logical backup by pg_dump.'),
    dump,
    takeover: z
      .boolean()
      .default(false)
      .describe('Make this cluster the owner of the repository when another one is. The other one becomes read-only.'),
  })
  // A run is a record of what was done: changed afterwards it would tell a lie.
  .meta({
    'x-kubernetes-validations': [
      { rule: 'self == oldSelf', message: 'a run cannot be changed: delete it and create another one' },
    ],
  });
export type BackupRunSpec = z.output<typeof backupRunSpec>;

export const backupRunStatus = z.object({
  observedGeneration,
  phase: phase.optional(),
  conditions,
  startedAt: time.optional().describe('When the first attempt began.'),
  completedAt: time.optional().describe('When the run succeeded or failed.'),
  duration: z.string().optional().describe('From startedAt to completedAt, for people.'),
  size: z.string().optional().describe('Bytes in the store, for people.'),
  turn: turn.optional().describe('What the run waits for, and what it keeps from others until it is over.'),
  attempts,
  currentTask,
  progress,
  set: z
    .object({
      store: z.string().describe('Name of the store.'),
      runUid: z.string().describe('The UID of the run, and the name of its folder there.'),
      attempt: z.string().describe('The name of the folder with the objects.'),
      lineage: z.string().describe('The history of the server that it belongs to.'),
      manifestKey: z.string().describe('Where the manifest lies below the prefix or directory.'),
      manifestSha256: z.string().describe('A restore takes no other manifest.'),
      consistentAt: time.describe('The moment the backup is of.'),
      position: z.string().describe('Where the write-ahead log of the server stood then.'),
      plainBytes: z.int().describe('As the tool wrote it.'),
      storedBytes: z.int().describe('Compressed and encrypted.'),
      objectCount: z.int().describe('Objects in the store.'),
      tableCount: z.int().describe('Tables whose rows were counted.'),
      rowCount: z.int().describe('Rows in all tables.'),
      serverVersion: z.string().describe('As the server says it.'),
      toolVersion: z.string().describe('As the tool says it.'),
    })
    .optional()
    .describe('The backup set as its manifest in the store has it.'),
  failure,
});
export type BackupRunStatus = z.output<typeof backupRunStatus>;
export type RunPhase = NonNullable<BackupRunStatus['phase']>;
