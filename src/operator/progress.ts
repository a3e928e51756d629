import type { z } from 'zod';
import type { progress } from '../api/status-field.ts';
import { timestamp } from '../base/clock.ts';
import type { Observation } from '../cluster/runner.ts';
import type { Timings } from './timings.ts';

type StatusProgress = NonNullable<z.output<typeof progress>>;

/** Pure: the progress for the status. What is there stays until it is old enough: each change is a write to the API server. */
export function progressOf(
  before: StatusProgress | undefined,
  observation: Observation,
  { progressMs }: Timings,
): StatusProgress | undefined {
  if (observation.state !== 'running' || observation.progress === undefined) return before;
  const { atMs, step, plainBytes, storedBytes, bytesPerSecond } = observation.progress;
  if (before !== undefined && atMs - Date.parse(before.at) < progressMs) return before;
  return { at: timestamp(atMs), step, plainBytes, storedBytes, bytesPerSecond: Math.round(bytesPerSecond) };
}
