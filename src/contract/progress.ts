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

/**
 * What the agent tells of itself while it works: a view for people, never used for a decision. It leaves the agent twice:
 * as `progress.json`, and as the field `progress` of a line of its log, which needs no token and no port in a pod.
 */
export const progress = z.strictObject({
  /** Epoch milliseconds. */
  atMs: z.number(),
  step: z.string(),
  plainBytes: z.number(),
  storedBytes: z.number(),
  bytesPerSecond: z.number(),
  /** Plain bytes of the whole, where that is known: a restore reads it in the manifest, a dump knows it at its end only. */
  totalBytes: z.number().optional(),
});
export type Progress = z.infer<typeof progress>;

const logLine = z.object({ progress });

/** Pure: the newest progress in the last lines of an agent's log, whatever else stands there and wherever it was cut. */
export function newestProgressIn(log: string): Progress | undefined {
  for (const line of log.split('\n').reverse()) {
    const parsed = logLine.safeParse(parseJson(line));
    if (parsed.success) return parsed.data.progress;
  }
  return undefined;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
