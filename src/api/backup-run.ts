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
  phase: phase.optional().describe('Where the run stands. Succeeded and Failed are final.'),
  conditions,
  startedAt: time.optional().describe('When the first attempt began.'),
  completedAt: time.optional().describe('When the run succeeded or failed.'),
  duration: z.string().optional().describe('From startedAt to completedAt, for people.'),
  size: z.string().optional().describe('Bytes in the store, for people.'),
  attempts,
  currentTask,
  progress,
  set: z
    .object({
      store: z.string(),
      runUid: z.string(),
      attempt: z.string(),
      lineage: z.string(),
      manifestKey: z.string(),
      manifestSha256: z.string(),
      consistentAt: time,
      position: z.string(),
      plainBytes: z.int(),
      storedBytes: z.int(),
      objectCount: z.int(),
      tableCount: z.int(),
      rowCount: z.int(),
      serverVersion: z.string(),
      toolVersion: z.string(),
    })
    .optional()
    .describe('The backup set as its manifest in the store has it.'),
  failure,
});
export type BackupRunStatus = z.output<typeof backupRunStatus>;
export type RunPhase = NonNullable<BackupRunStatus['phase']>;
