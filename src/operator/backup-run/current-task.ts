import type { Attempt, TaskRecord } from '../../api/status-field.ts';
import type { Resource } from '../../cluster/resource.ts';
import { attemptTask, inspectionTask } from '../task-name.ts';
import type { Inspection, RunState } from './outcome.ts';

export interface CurrentTask {
  name: string;
  attempt: Attempt;
  inspection: Inspection | undefined;
  record: TaskRecord;
}

/** The task of the attempt that is not over, or of its look into the store. */
export function currentTask({ metadata: { name } }: Resource, { attempts }: RunState): CurrentTask | undefined {
  const attempt = attempts?.at(-1);
  if (attempt === undefined || attempt.endedAt !== undefined) return undefined;
  const { inspection } = attempt;
  return inspection === undefined
    ? { name: attemptTask(name, attempt.number), attempt, inspection, record: attempt }
    : { name: inspectionTask(name, attempt.number, inspection.number), attempt, inspection, record: inspection };
}

/** Every task that was ever asked for. */
export function taskNames({ metadata: { name } }: Resource, { attempts = [] }: RunState): string[] {
  return attempts.flatMap(({ number, inspection }) => [
    attemptTask(name, number),
    ...Array.from({ length: inspection?.number ?? 0 }, (_, at) => inspectionTask(name, number, at + 1)),
  ]);
}
