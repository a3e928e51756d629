import { expect } from '@jest/globals';
import type { Objects } from '../../../src/cluster/objects.ts';
import { keyOf } from '../../../src/cluster/resource.ts';
import { bringUpCluster } from '../../harness/cluster/cluster.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { kindsOnly } from '../../harness/kubernetes-operator.ts';
import { clientOf, freshNamespace, installKinds, objectsOf } from '../../integration/cluster/kubernetes-client.ts';
import { type OwnersUnderTest, ownersContract } from '../../integration/cluster/objects-contract.ts';
import { ownerReferenceTo, sampleDraft } from '../../integration/cluster/samples.ts';

// The first run on a machine builds Kubernetes from source.
const coldMs = 15 * 60_000;

async function create(): Promise<OwnersUnderTest> {
  const cluster = await bringUpCluster({ tell: tellOnStderr });
  // An operator that another suite left would take its finalizer off the run that this one looks at.
  await kindsOnly(cluster);
  const { kubeconfigPath, context } = cluster;
  const client = clientOf(kubeconfigPath, context);
  await installKinds(client);
  const namespace = await freshNamespace(client);
  const objects = objectsOf(client);
  await collectorKnows(objects, namespace);
  return {
    objects,
    namespace,
    async cleanup() {
      // The test leaves a run with a finalizer that nobody takes off.
      const held = await objects.get('BackupRun', { namespace, name: 'held' });
      if (held !== undefined) await objects.replaceFinalizers(held, []);
      await client.json({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` });
      client.close();
    },
  };
}

/** The garbage collector looks for new kinds every 30 s: until it knows ours, nothing of it is promised. */
async function collectorKnows(objects: Objects, namespace: string): Promise<void> {
  const owner = await objects.create(sampleDraft('BackupPolicy', namespace, 'probe'));
  const owned = { ownerReferences: [ownerReferenceTo(owner)] };
  const child = await objects.create(sampleDraft('BackupRun', namespace, 'probe', owned));
  await objects.delete('BackupPolicy', keyOf(owner));
  await eventually(async () => expect(await objects.get('BackupRun', keyOf(child))).toBeUndefined(), 90_000, 250);
}

ownersContract('Kubernetes', create, coldMs);
