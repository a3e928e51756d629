import { objectPath } from '../../../src/cluster/kubernetes/paths.ts';
import { keyOf } from '../../../src/cluster/resource.ts';
import { apiServer } from '../../harness/cluster/api-server.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { clientOf, eventsOf, freshNamespace, installKinds, objectsOf } from './kubernetes-client.ts';
import { type ObjectsUnderTest, objectsContract } from './objects-contract.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;

async function create(): Promise<ObjectsUnderTest> {
  const server = await apiServer({ tell: tellOnStderr });
  const client = clientOf(server.kubeconfigPath);
  await installKinds(client);
  return {
    objects: objectsOf(client),
    namespace: await freshNamespace(client),
    otherNamespace: await freshNamespace(client),
    async applySpec(object, spec) {
      await client.json({ method: 'PATCH', path: objectPath(object.kind, keyOf(object)), body: { spec } });
    },
    events: (object) => eventsOf(client, object),
    async cleanup() {
      client.close();
      await server.stop();
    },
  };
}

objectsContract('Kubernetes', create, coldMs);
