import { z } from 'zod';

/** RFC 3339, with seconds. */
export const time = z.string().max(40).meta({ format: 'date-time' });

export const observedGeneration = z.int().optional().describe('The generation of the spec that this status speaks of.');

/** The condition of Kubernetes (metav1.Condition). */
const condition = z.object({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  message: z.string(),
  lastTransitionTime: time,
  observedGeneration: z.int().optional(),
});

export const conditions = z
  .array(condition)
  .meta({ listKey: 'type' })
  .optional()
  .describe('Ready, and Reconciling or Stalled while they are true.');

export const phase = z.enum(['Pending', 'Starting', 'Running', 'Succeeded', 'Failed']);

const attempt = {
  startedAt: time.describe('Written before the task is asked for.'),
  startBy: time.describe('When the task must have begun.'),
  runningDeadline: z.string().describe('How long it may run from then on.'),
  acceptedAt: time.optional().describe('When the task was taken on.'),
  runningAt: time.optional().describe('When the task was first seen running.'),
  stopping: z
    .object({ reason: z.string(), message: z.string() })
    .optional()
    .describe('Why the task is being stopped. Written before it is.'),
  endedAt: time.optional(),
  outcome: z.string().optional().describe('Succeeded, or the reason of its failure.'),
};

export const task = z.object(attempt);
/** The life of one task as the status tells it; intent first, so that a killed operator knows what it had begun. */
export type TaskRecord = z.output<typeof task>;

/** One try: a task of its own, in a directory of its own in the store. */
export const attempts = z
  .array(
    z.object({
      number: z.int(),
      store: z.string().describe('Name of the store it writes to.'),
      ...attempt,
      inspection: z
        .object({ number: z.int(), ...attempt })
        .optional()
        .describe('The look into the store after the task ended without a word.'),
    }),
  )
  .optional()
  .describe('The tries, the oldest first.');
export type Attempt = NonNullable<z.output<typeof attempts>>[number];

export const currentTask = z
  .string()
  .optional()
  .describe('Name of the task that runs now: a Job, or a directory in a standalone home.');

export const progress = z
  .object({
    at: time,
    step: z.string(),
    plainBytes: z.int().describe('Read from the database so far.'),
    storedBytes: z.int().describe('Compressed and encrypted so far.'),
    bytesPerSecond: z.number(),
  })
  .optional()
  .describe('How far the task is; for people.');

export const failure = z
  .object({
    reason: z.string(),
    message: z.string().describe('What went wrong, and where.'),
    hint: z.string().describe('What to do.'),
  })
  .optional()
  .describe('Why it failed.');
