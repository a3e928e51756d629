import { z } from 'zod';

/** RFC 3339, with seconds. */
export const time = z.string().max(40).meta({ format: 'date-time' });

export const observedGeneration = z.int().optional().describe('The generation of the spec that this status speaks of.');

/** The condition of Kubernetes (metav1.Condition). */
const condition = z.object({
  type: z.string().describe('Ready, Reconciling or Stalled.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('What is said of it.'),
  reason: z.string().describe('One word out of the lists below.'),
  message: z.string().describe('The same in a sentence, with names and numbers; after a failure also what to do.'),
  lastTransitionTime: time.describe('When the status last changed.'),
  observedGeneration: z.int().optional().describe('The generation of the spec that it speaks of.'),
});

export const conditions = z
  .array(condition)
  .meta({ listKey: 'type' })
  .optional()
  .describe('Ready, and Reconciling or Stalled while they are true.');

export const phase = z
  .enum(['Pending', 'Starting', 'Running', 'Succeeded', 'Failed'])
  .describe(
    'Pending: it waits for its policy, for its turn, or between two attempts. Starting: a task was asked for. Running: ' +
      'the task runs. It stays as it is while the manifest of a task that ended without a word is looked for. Succeeded and Failed are final.',
  );

const attempt = {
  startedAt: time.describe('Written before the task is asked for.'),
  startBy: time.describe('When the task must have begun.'),
  runningDeadline: z.string().describe('How long it may run from then on.'),
  toolImage: z
    .string()
    .optional()
    .describe('Image whose tools the task uses. Written before the task is asked for. Kubernetes only.'),
  waitingFor: z
    .object({ reason: z.string().describe('One word.'), message: z.string().describe('The same in a sentence.') })
    .optional()
    .describe('What was missing when the task could not be asked for.'),
  acceptedAt: time.optional().describe('When the task was taken on.'),
  runningAt: time.optional().describe('When the task was first seen running.'),
  stopping: z
    .object({ reason: z.string().describe('One word.'), message: z.string().describe('The same in a sentence.') })
    .optional()
    .describe('Why the task is being stopped. Written before it is.'),
  endedAt: time.optional().describe('When it was seen to be over.'),
  detail: z.string().optional().describe('How it ended, when it left no report.'),
  outcome: z.string().optional().describe('Succeeded, or the reason of its failure.'),
};

export const task = z.object(attempt);
/** The life of one task as the status tells it; intent first, so that a killed operator knows what it had begun. */
export type TaskRecord = z.output<typeof task>;

/** One try: a task of its own, in a directory of its own in the store. */
export const attempts = z
  .array(
    z.object({
      number: z.int().describe('1, or 2 after an accident.'),
      store: z.string().describe('Name of the store it writes to.'),
      ...attempt,
      inspection: z
        .object({ number: z.int().describe('From 1 to 5.'), ...attempt })
        .optional()
        .describe('The look into the store after the task ended without a word.'),
    }),
  )
  .optional()
  .describe('The tries, the oldest first.');
export type Attempt = NonNullable<z.output<typeof attempts>>[number];

/** Derived from by every start of the operator: what is not written here was never promised to anybody. */
export const turn = z.object({
  server: z.string().describe('The server, in words that are the same for all who mean the same one.'),
  store: z.string().optional().describe('The place that a backup goes to, likewise.'),
  prefix: z.string().optional().describe('Where in it the repository lies, when it is a bucket.'),
  claimedAt: time
    .optional()
    .describe(
      'When it was its turn. From then on others wait for it; one that claimed at the same time may take it back.',
    ),
});
export type Turn = z.output<typeof turn>;

export const currentTask = z
  .string()
  .optional()
  .describe('Name of the task that runs now: a Job, or a directory in a standalone home.');

export const progress = z
  .object({
    at: time.describe('When it was measured.'),
    step: z.string().describe('What the agent does.'),
    plainBytes: z.int().describe('Read from the database, or given to it, so far.'),
    storedBytes: z.int().describe('The same compressed and encrypted.'),
    bytesPerSecond: z.number().describe('Of what is read.'),
    totalBytes: z
      .int()
      .optional()
      .describe('What plainBytes will be at the end. For restores only: a dump does not know.'),
    summary: z.string().optional().describe('The same in a few words.'),
  })
  .optional()
  .describe('How far the task is; for people. Best effort: without news of the task the last ones stay.');

export const failure = z
  .object({
    reason: z.string().describe('One word out of the list below.'),
    message: z.string().describe('What went wrong, and where.'),
    hint: z.string().describe('What to do.'),
  })
  .optional()
  .describe('Why it failed.');
