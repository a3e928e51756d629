import { taskFinalizer } from '../api/names.ts';
import type { Objects } from '../cluster/objects.ts';
import { after, stalled } from '../cluster/outcome.ts';
import { keyOf, type Resource } from '../cluster/resource.ts';
import type { Runner } from '../cluster/runner.ts';
import type { ReconcileResult } from '../cluster/status.ts';
import type { Timings } from './timings.ts';

interface Ports {
  objects: Objects;
  runner: Runner;
  timings: Timings;
}

export const isHeld = ({ metadata }: Resource): boolean => metadata.finalizers?.includes(taskFinalizer) ?? false;

/** The object with our finalizer: from now on it cannot vanish before its task was stopped. */
export async function hold(object: Resource, { objects }: Ports): Promise<Resource> {
  return objects.replaceFinalizers(object, [...(object.metadata.finalizers ?? []), taskFinalizer]);
}

/** Takes our finalizer off, and nobody else's. */
export async function release(object: Resource, { objects }: Ports): Promise<Resource> {
  const others = (object.metadata.finalizers ?? []).filter((name) => name !== taskFinalizer);
  return objects.replaceFinalizers(object, others);
}

/**
 * A deleted object lets go once its tasks have ended. What they wrote to the store stays. A task that does not end, such
 * as one on a node that is lost, must not keep the object, and with it the namespace, for ever: after `giveUpMs` it is
 * let go with an event.
 */
export async function releaseDeleted(
  object: Resource,
  taskNames: readonly string[],
  nowMs: number,
  ports: Ports,
): Promise<ReconcileResult> {
  if (!isHeld(object)) return { outcome: stalled('Stopped', 'it was deleted') };
  const { objects, timings } = ports;
  const isLate = nowMs - Date.parse(object.metadata.deletionTimestamp ?? '') >= timings.giveUpMs;
  const left = await removeTasks(object, taskNames, ports).catch((error: unknown) => {
    if (isLate) return taskNames;
    throw error;
  });
  if (left.length > 0 && !isLate) {
    return { outcome: after(timings.recheckMs, 'Stopping', `it was deleted: waiting for ${left.join(', ')} to end`) };
  }
  if (left.length > 0) {
    const message = `it is let go although ${left.join(', ')} did not end: look for what is left of it`;
    await objects.recordEvent(object, { type: 'Warning', reason: 'Stopping', message });
  }
  return { outcome: stalled('Stopped', 'it was deleted'), written: await release(object, ports) };
}

/** Removes the tasks; the answer names those that are still there. */
export async function removeTasks(
  object: Resource,
  taskNames: readonly string[],
  { runner }: Ports,
): Promise<string[]> {
  const { namespace } = keyOf(object);
  const left: string[] = [];
  for (const name of taskNames) {
    await runner.remove({ namespace, name });
    if ((await runner.observe({ namespace, name })).state !== 'absent') left.push(name);
  }
  return left;
}
