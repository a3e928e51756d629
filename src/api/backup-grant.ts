import { z } from 'zod';
import { namespaceName, objectName, withRules } from './field.ts';
import { conditions, observedGeneration } from './status-field.ts';

const from = withRules(
  z
    .array(
      z.strictObject({
        namespace: namespaceName().describe('Namespace whose RestoreRequests may read from this one.'),
      }),
    )
    .min(1)
    .max(64),
  {
    message: 'must have namespaces that differ',
    holds: (items) => new Set(items.map(({ namespace }) => namespace)).size === items.length,
  },
);

export const backupGrantSpec = z.strictObject({
  from: from.meta({ listKey: 'namespace' }).describe('Who may read.'),
  policies: z
    .array(objectName())
    .min(1)
    .max(256)
    .optional()
    .describe(
      'BackupPolicies of this namespace whose backups may be read. Left out: all of them, those to come included.',
    ),
});
export type BackupGrantSpec = z.output<typeof backupGrantSpec>;

export const backupGrantStatus = z.object({ observedGeneration, conditions });
