import { z } from 'zod';

/**
 * What `-o json` and `-o yaml` print, but for `get`, which prints the objects themselves. Scripts rely on it: within v1
 * fields are only added, and a word is only added to a list of words.
 */
export const contractVersion = 'cli.backstay.dev/v1';

const failure = z.object({
  reason: z.string().describe('One word: a reason of docs/spec.'),
  message: z.string().describe('What went wrong, and where.'),
  hint: z.string().describe('What to do, a whole sentence.'),
});

const named = {
  kind: z.string(),
  namespace: z.string(),
  name: z.string(),
};

export const resultSchema = z
  .object({
    apiVersion: z.literal(contractVersion),
    kind: z.literal('Result'),
    outcome: z
      .enum(['Done', 'Started', 'Succeeded', 'Failed', 'TimedOut', 'Interrupted', 'Error'])
      .describe(
        'Done: the command did it. Started: it was begun and nobody waited. Succeeded, Failed: the end of what was waited for. ' +
          'TimedOut, Interrupted: the wait ended, the work goes on. Error: the command could not do it, and `error` says why.',
      ),
    exitCode: z.int().describe('The same as that of the process.'),
    objects: z
      .array(
        z.object({
          ...named,
          change: z.enum(['created', 'configured', 'unchanged', 'deleted']).optional(),
          phase: z.string().optional().describe('As in the status; Gone when the object was deleted meanwhile.'),
          size: z.string().optional().describe('Of a run that succeeded, for people.'),
          duration: z.string().optional().describe('For people.'),
          failure: failure.optional(),
        }),
      )
      .describe('What the command made, changed or waited for.'),
    error: failure.optional(),
  })
  .describe(
    'The one answer of `apply`, `delete`, `backup` and `restore`, and of every command that ends with an error.',
  );
export type Result = z.output<typeof resultSchema>;

const taskAtWork = z.object({
  ...named,
  policy: z.string().optional(),
  phase: z.string(),
  since: z.string().optional().describe('RFC 3339.'),
  progress: z
    .object({ step: z.string(), plainBytes: z.int(), storedBytes: z.int(), bytesPerSecond: z.number() })
    .optional(),
});

export const verdicts = {
  Protected:
    'The newest run that ended succeeded, its backup is young enough, and the next one is planned or none is asked for.',
  NoBackup: 'No run has succeeded yet: there is nothing to restore from.',
  Failing: 'There is a backup, but the newest run failed.',
  Overdue: 'A run was due and nobody made it: the operator is not at work.',
  TooOld:
    'A schedule has made no backup for more than one and a half of its longest pause and 15 minutes, as the alert BackstayBackupTooOld counts.',
  Suspended: 'spec.suspend is true: no run is started.',
  ReadOnly: 'Another cluster or home owns the repository: nothing is written from here.',
  NotReady: 'The policy cannot be used as it is.',
} as const;

export const statusSchema = z
  .object({
    apiVersion: z.literal(contractVersion),
    kind: z.literal('Status'),
    protected: z.boolean().describe('There is a policy, and the verdict on every one is Protected.'),
    policies: z.array(
      z.object({
        namespace: z.string(),
        name: z.string(),
        verdict: z.enum(Object.keys(verdicts) as [keyof typeof verdicts, ...(keyof typeof verdicts)[]]),
        message: z.string().describe('The verdict in a sentence.'),
        ready: z.object({ status: z.string(), reason: z.string(), message: z.string() }).optional(),
        lastSuccess: z
          .object({ run: z.string(), time: z.string(), ageSeconds: z.int(), storedBytes: z.int(), size: z.string() })
          .optional()
          .describe('The newest backup that can be restored.'),
        nextRun: z.string().optional().describe('RFC 3339.'),
        lastRun: z
          .object({ name: z.string(), phase: z.string(), createdAt: z.string(), failure: failure.optional() })
          .optional(),
        next: z.string().optional().describe('What to do about it.'),
      }),
    ),
    running: z.array(taskAtWork).describe('Runs and requests that are not over.'),
    restores: z
      .array(
        z.object({
          namespace: z.string(),
          name: z.string(),
          phase: z.string(),
          database: z.string().optional(),
          completedAt: z.string().optional(),
          duration: z.string().optional(),
          failure: failure.optional(),
        }),
      )
      .describe('The newest requests that are over, at most five.'),
    next: z.array(z.string()).describe('What to do, the most urgent first.'),
  })
  .describe('The answer of `status`.');
export type StatusAnswer = z.output<typeof statusSchema>;
