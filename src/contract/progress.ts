import { z } from 'zod';

/**
 * What the agent does, in order, for each verb. Every step is logged by name before its work begins: a test that kills
 * an agent there, step by step, takes its list from here.
 */
export const taskSteps = {
  backup: ['connect', 'prepare', 'dump', 'details', 'commit', 'clean'],
  inspect: ['look'],
  restore: ['check', 'replay', 'compare'],
} as const;
export type TaskStep = (typeof taskSteps)[keyof typeof taskSteps][number];

/** What the agent writes to `progress.json` while it works: views for people, never used for a decision. */
export const progress = z.strictObject({
  /** Epoch milliseconds. */
  atMs: z.number(),
  step: z.string(),
  plainBytes: z.number(),
  storedBytes: z.number(),
  bytesPerSecond: z.number(),
});
export type Progress = z.infer<typeof progress>;
