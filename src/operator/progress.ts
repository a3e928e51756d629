import type { z } from 'zod';
import type { progress } from '../api/status-field.ts';
import { timestamp } from '../base/clock.ts';
import { describeBytes } from '../base/describe-bytes.ts';
import type { Observation } from '../cluster/runner.ts';
import type { Progress } from '../contract/progress.ts';
import type { Timings } from './timings.ts';

type StatusProgress = NonNullable<z.output<typeof progress>>;

/** Pure: the progress for the status. What is there stays until it is old enough: each change is a write to the API server. */
export function progressOf(
  before: StatusProgress | undefined,
  observation: Observation,
  { progressMs }: Timings,
): StatusProgress | undefined {
  if (observation.state !== 'running' || observation.progress === undefined) return before;
  const { atMs, step, plainBytes, storedBytes, bytesPerSecond, totalBytes } = observation.progress;
  if (before !== undefined && atMs - Date.parse(before.at) < progressMs) return before;
  return {
    at: timestamp(atMs),
    step,
    plainBytes,
    storedBytes,
    bytesPerSecond: Math.round(bytesPerSecond),
    ...(totalBytes !== undefined && { totalBytes }),
    summary: summaryOf(observation.progress),
  };
}

/** No time that is left: after its last byte a restore builds indexes, and nobody knows for how long. */
function summaryOf({ step, plainBytes, totalBytes, bytesPerSecond }: Progress): string {
  if (plainBytes === 0) return step;
  const rate = `${describeBytes(bytesPerSecond)}/s`;
  if (totalBytes === undefined || totalBytes === 0) return `${step}: ${describeBytes(plainBytes)}, ${rate}`;
  const percent = Math.min(100, Math.floor((plainBytes * 100) / totalBytes));
  return `${step}: ${percent} % of ${describeBytes(totalBytes)}, ${rate}`;
}
