import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import { CachedObjects } from '../../../src/cluster/kubernetes/cached-objects.ts';
import { type Home, readClusterId } from '../../../src/cluster/kubernetes/cluster-id.ts';
import { connectByKubeconfig } from '../../../src/cluster/kubernetes/connect.ts';
import { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { podDefaults } from '../../../src/cluster/kubernetes/job.ts';
import { becomeLeader } from '../../../src/cluster/kubernetes/leader.ts';
import { leasePath, leasesPath, namespacePath } from '../../../src/cluster/kubernetes/paths.ts';
import { KubernetesRunner } from '../../../src/cluster/kubernetes/runner.ts';
import { checkServedKinds } from '../../../src/cluster/kubernetes/served-kinds.ts';
import { kinds } from '../../../src/cluster/resource.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { clientOf, freshNamespace, installKinds, objectsOf, silentLog } from './kubernetes-client.ts';
import { sampleDraft } from './samples.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;
const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces';

let server: ApiServer;
let admin: ApiClient;
let home: string;

beforeAll(async () => {
  server = await apiServer({ tell: tellOnStderr });
  admin = clientOf(server.kubeconfigPath);
  await installKinds(admin);
}, coldMs);
afterAll(async () => {
  admin?.close();
  await server?.stop();
});
beforeEach(async () => {
  home = await freshNamespace(admin);
});

const uidOf = async (namespace: string): Promise<string> =>
  (await admin.json<{ metadata: { uid: string } }>({ method: 'GET', path: namespacePath(namespace) })).metadata.uid;

describe('the name of the cluster in repositories', () => {
  const lease = 'backstay';
  const makeLease = () =>
    admin.json({ method: 'POST', path: leasesPath(home), body: { metadata: { name: lease }, spec: {} } });
  const idOf = (namespaces: string[], from: Home | undefined): Promise<string> =>
    readClusterId(admin, namespaces, from);

  it('is the UID of kube-system, or of the own namespace where that may not be read', async () => {
    expect(await idOf([], undefined)).toBe(await uidOf('kube-system'));
    expect(await idOf([], { namespace: home })).toBe(await uidOf('kube-system'));
    expect(await idOf(['a', 'b'], { namespace: home })).toBe(await uidOf(home));
  });

  it.each([
    ['widened to all namespaces', ['a'], []],
    ['narrowed to some', [], ['a']],
  ])('stays when an install with a lease is %s', async (_, before, after) => {
    await makeLease();
    const id = await idOf(before, { namespace: home, lease });
    expect(id).toBe(await uidOf(before.length === 0 ? 'kube-system' : home));
    expect(await idOf(after, { namespace: home, lease })).toBe(id);
  });

  it('is written although the lease is renewed all the time', async () => {
    await makeLease();
    const path = leasePath(home, lease);
    let renewals = 0;
    const busy = new Proxy(admin, {
      get: (target, name) =>
        name === 'json'
          ? async (request: Parameters<ApiClient['json']>[0]) => {
              if (request.method === 'PATCH' && renewals++ < 3) {
                await admin.json({ method: 'PATCH', path, body: { spec: { leaseTransitions: renewals } } });
              }
              return target.json(request);
            }
          : Reflect.get(target, name),
    });
    const id = await readClusterId(busy, ['a'], { namespace: home, lease });
    expect(renewals).toBe(4);
    const { metadata } = await admin.json<{ metadata: { annotations: object } }>({ method: 'GET', path });
    expect(metadata.annotations).toEqual({ 'backstay.dev/cluster-id': id });
  });
});

describe('an operator that looks after some namespaces', () => {
  async function allow(namespace: string, rules: object[]): Promise<void> {
    const subject = { kind: 'ServiceAccount', name: 'backstay', namespace: home };
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'backstay' };
    const metadata = { name: 'backstay' };
    await admin.json({ method: 'POST', path: `${rbac}/${namespace}/roles`, body: { metadata, rules } });
    await admin.json({
      method: 'POST',
      path: `${rbac}/${namespace}/rolebindings`,
      body: { metadata, subjects: [subject], roleRef },
    });
  }

  it('needs rights in these and in its own only', async () => {
    const [one, two] = [await freshNamespace(admin), await freshNamespace(admin)];
    const own = { apiGroups: ['backstay.dev'] };
    const read = ['get', 'list', 'watch'];
    for (const namespace of [one, two]) {
      await allow(namespace, [
        { ...own, resources: ['*'], verbs: [...read, 'create', 'patch', 'update'] },
        { apiGroups: ['batch'], resources: ['jobs'], verbs: [...read, 'create', 'patch', 'delete'] },
        { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
      ]);
    }
    await allow(home, [
      { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'update', 'patch'] },
      { apiGroups: [''], resources: ['namespaces'], resourceNames: [home], verbs: ['get'] },
    ]);
    const connection = connectByKubeconfig({ path: server.kubeconfigPath });
    const client = new ApiClient(
      {
        ...connection,
        async authorize() {
          const options = await connection.authorize();
          const who = `system:serviceaccount:${home}:backstay`;
          return { ...options, headers: { ...(options.headers as object), 'Impersonate-User': who } };
        },
      },
      systemClock,
    );
    const stop = new AbortController();
    const common = { client, clock: systemClock, random: Math.random, log: silentLog, namespaces: [one, two] };
    const times = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2_000 };
    const lease = { namespace: home, name: 'backstay', identity: 'me', times };
    try {
      await checkServedKinds(client);
      const leader = await becomeLeader({ ...common, ...lease }, stop.signal);
      const place = { namespace: home, lease: 'backstay' };
      const objects = new CachedObjects({ ...common, instance: 'me', home: place }, stop.signal);
      expect(await objects.clusterId()).toBe(await uidOf(home));
      for (const kind of kinds) {
        const seen: string[] = [];
        await objects.watch(kind, ({ object }) => seen.push(object.metadata.namespace), stop.signal);
        for (const namespace of [one, two, home]) {
          await objectsOf(admin).create(sampleDraft(kind, namespace, 'shop'));
        }
        await eventually(() => expect([...seen].sort()).toEqual([one, two].sort()));
        expect(await objects.list(kind)).toHaveLength(2);
      }
      const pod = { ...podDefaults, image: 'backstay:dev' };
      await new KubernetesRunner({ ...common, pod }).watch(() => undefined, stop.signal);
      await leader?.release();
    } finally {
      stop.abort();
      client.close();
    }
  });
});
