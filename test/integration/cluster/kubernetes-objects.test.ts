import { objectPath } from '../../../src/cluster/kubernetes/paths.ts';
import { keyOf } from '../../../src/cluster/resource.ts';
import { apiServer } from '../../harness/cluster/api-server.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { clientOf, freshNamespace, installKinds, objectsOf } from './kubernetes-client.ts';
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
    async events({ metadata: { namespace, uid } }) {
      const { items } = await client.json<{ items: { type: string; reason: string; message: string }[] }>({
        method: 'GET',
        path: `/api/v1/namespaces/${namespace}/events`,
        query: { fieldSelector: `involvedObject.uid=${uid}` },
      });
      return items.sort((a, b) => eventTime(a).localeCompare(eventTime(b)));
    },
    async cleanup() {
      client.close();
      await server.stop();
    },
  };
}

const eventTime = (event: object): string => (event as { eventTime: string }).eventTime;

objectsContract('Kubernetes', create, coldMs);
