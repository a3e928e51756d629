import { z } from 'zod';

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
