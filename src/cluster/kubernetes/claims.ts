import { Fault } from '../../base/fault.ts';
import { type NodeBound, taskLabels } from './job.ts';

/** What is read of a PersistentVolumeClaim. */
export interface ClaimView {
  metadata: { name: string };
  spec: { accessModes?: string[] };
}

/** What is read of a pod that may use one. */
export interface ClaimUserView {
  metadata: { name: string; deletionTimestamp?: string; labels?: Record<string, string> };
  spec: { nodeName?: string; volumes?: { persistentVolumeClaim?: { claimName: string } }[] };
  status?: { phase?: string };
}

/**
 * Where a pod that mounts these claims has to run, out of all pods of the namespace. Pure. A ReadWriteOnce claim is on one
 * node at a time: elsewhere the pod would be placed, and then wait for the volume for ever. Throws Unschedulable for a
 * ReadWriteOncePod claim that a pod of somebody else uses; one of ours ends, and the scheduler waits for that.
 */
export function nodeBoundOf(claims: readonly ClaimView[], pods: readonly ClaimUserView[]): NodeBound | undefined {
  for (const { metadata, spec } of claims) {
    const { name } = metadata;
    const modes = spec.accessModes ?? [];
    const user = userOf(name, pods);
    if (user === undefined || modes.includes('ReadWriteMany')) continue;
    const who = `pod ${user.metadata.name} on node ${user.spec.nodeName}`;
    if (modes.includes('ReadWriteOncePod') && !isOurs(user)) {
      throw new Fault('Unschedulable', `claim "${name}" can be used by one pod only, and ${who} uses it`, {
        hint: 'Give the store a claim of its own, or one that is ReadWriteOnce or ReadWriteMany.',
      });
    }
    if (user.spec.nodeName !== undefined) return { node: user.spec.nodeName, why: `${who} uses claim "${name}"` };
  }
  return undefined;
}

/**
 * One that is on its way out does not count: its volume becomes free and a pod elsewhere waits for that, while one that is
 * bound to the node it leaves, such as one that is drained, would wait for ever.
 */
function userOf(claimName: string, pods: readonly ClaimUserView[]): ClaimUserView | undefined {
  return pods.find(
    ({ metadata, spec, status }) =>
      spec.nodeName !== undefined &&
      metadata.deletionTimestamp === undefined &&
      status?.phase !== 'Succeeded' &&
      status?.phase !== 'Failed' &&
      spec.volumes?.some(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName === claimName),
  );
}

const isOurs = ({ metadata: { labels = {} } }: ClaimUserView): boolean =>
  Object.entries(taskLabels).every(([name, value]) => labels[name] === value);
