import { type Objects, ObjectsError } from '../cluster/objects.ts';
import type { Resource } from '../cluster/resource.ts';

/**
 * Throws Conflict unless the object still is as it was read: before a task is started. What is read comes from memory,
 * and no version goes with a start: a leader that was replaced would start anew what the next one has ended and removed.
 */
export async function refuseOld(objects: Objects, object: Resource): Promise<void> {
  if (await objects.isCurrent(object)) return;
  const { namespace, name } = object.metadata;
  throw new ObjectsError('Conflict', `${object.kind} ${namespace}/${name} was written since it was read`);
}
