import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { systemClock } from '../../../src/base/clock.ts';
import { conditionsIn } from '../../../src/cluster/conditions.ts';
import { CachedObjects } from '../../../src/cluster/kubernetes/cached-objects.ts';
import { type Home, readClusterId } from '../../../src/cluster/kubernetes/cluster-id.ts';
import { connectByKubeconfig } from '../../../src/cluster/kubernetes/connect.ts';
import { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { podDefaults } from '../../../src/cluster/kubernetes/job.ts';
import { becomeLeader } from '../../../src/cluster/kubernetes/leader.ts';
import { leasePath, leasesPath, namespacePath } from '../../../src/cluster/kubernetes/paths.ts';
import { reflectorTimings } from '../../../src/cluster/kubernetes/reflector.ts';
import { KubernetesRunner } from '../../../src/cluster/kubernetes/runner.ts';
import { checkServedKinds } from '../../../src/cluster/kubernetes/served-kinds.ts';
import { kinds } from '../../../src/cluster/resource.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { OperatorProcess } from '../../harness/cluster/operator-process.ts';
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
let directory: string;

beforeAll(async () => {
  server = await apiServer({ tell: tellOnStderr });
  admin = clientOf(server.kubeconfigPath);
  await installKinds(admin);
  directory = await mkdtemp(join(tmpdir(), 'backstay-narrow-'));
}, coldMs);
afterAll(async () => {
  if (directory) await rm(directory, { recursive: true, force: true });
  admin?.close();
  await server?.stop();
});
beforeEach(async () => {
  home = await freshNamespace(admin);
});

/** A kubeconfig with the token of a service account. */
async function kubeconfigOf(account: string): Promise<string> {
  const accounts = `/api/v1/namespaces/${home}/serviceaccounts`;
  await admin.json({ method: 'POST', path: accounts, body: { metadata: { name: account } } });
  const path = `${accounts}/${account}/token`;
  const { status } = await admin.json<{ status: { token: string } }>({ method: 'POST', path, body: { spec: {} } });
  const config = parse(await readFile(server.kubeconfigPath, 'utf8'));
  config.users = config.users.map(({ name }: { name: string }) => ({ name, user: { token: status.token } }));
  const file = join(directory, `${home}.json`);
  await writeFile(file, JSON.stringify(config));
  return file;
}

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

const metadata = { name: 'backstay' };

async function allow(namespace: string, rules: object[]): Promise<void> {
  await admin.json({ method: 'POST', path: `${rbac}/${namespace}/roles`, body: { metadata, rules } });
  await bind(namespace);
}

async function bind(namespace: string): Promise<void> {
  const subjects = [{ kind: 'ServiceAccount', name: 'backstay', namespace: home }];
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'backstay' };
  const body = { metadata, subjects, roleRef };
  await admin.json({ method: 'POST', path: `${rbac}/${namespace}/rolebindings`, body });
}

/** What the deletion of a namespace does on its way, with objects still in it. */
const unbind = (namespace: string): Promise<object> =>
  admin.json({ method: 'DELETE', path: `${rbac}/${namespace}/rolebindings/backstay` });

function asOperator(): ApiClient {
  const connection = connectByKubeconfig({ path: server.kubeconfigPath });
  return new ApiClient(
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
}

describe('an operator that looks after some namespaces', () => {
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
    const client = asOperator();
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
  describe('when the rights in one of them are gone', () => {
    const everything = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }];
    let [one, two] = ['', ''];

    beforeEach(async () => {
      [one, two] = [await freshNamespace(admin), await freshNamespace(admin)];
      for (const namespace of [one, two, home]) await allow(namespace, everything);
      for (const namespace of [one, two]) await make(namespace, 'shop');
    });
    const make = (namespace: string, name: string) =>
      objectsOf(admin).create(sampleDraft('BackupPolicy', namespace, name));

    it('goes on in the others, holds nothing for true in that one, and works there when they are back', async () => {
      const client = asOperator();
      const stop = new AbortController();
      const common = { client, clock: systemClock, random: Math.random, log: silentLog, namespaces: [one, two] };
      // A watch that is open goes on without rights; these end soon.
      const timings = { ...reflectorTimings, watchMinMs: 1_000, watchMaxMs: 2_000 };
      try {
        const objects = new CachedObjects({ ...common, timings, instance: 'me' }, stop.signal);
        const placesOf = async (from: CachedObjects) =>
          (await from.list('BackupPolicy')).map(({ metadata: { namespace, name } }) => `${namespace}/${name}`).sort();
        const both = [`${one}/shop`, `${two}/shop`].sort();
        expect(await placesOf(objects)).toEqual(both);
        await unbind(two);
        await eventually(async () => expect(await placesOf(objects)).toEqual([`${one}/shop`]), 60_000);
        await make(one, 'second');
        await eventually(async () => expect(await placesOf(objects)).toContain(`${one}/second`));

        // A process that starts now has never been allowed to look there.
        const later = new CachedObjects({ ...common, timings, instance: 'me' }, stop.signal);
        const seen: string[] = [];
        await later.watch('BackupPolicy', ({ object }) => seen.push(object.metadata.namespace), stop.signal);
        expect(seen).toEqual([one, one]);
        const pod = { ...podDefaults, image: 'backstay:dev' };
        await new KubernetesRunner({ ...common, pod }).watch(() => undefined, stop.signal);

        await bind(two);
        await eventually(() => expect(seen).toContain(two), 60_000);
        await eventually(
          async () => expect(await placesOf(objects)).toEqual([...both, `${one}/second`].sort()),
          60_000,
        );
      } finally {
        stop.abort();
        client.close();
      }
    }, 180_000);

    it('works in the others also as a process that starts anew, is ready, and says what is missing where', async () => {
      await unbind(two);
      const operator = new OperatorProcess(await kubeconfigOf('backstay'), 'operator', {
        namespaces: [one, two],
        leaderElection: { enabled: true, namespace: home },
      });
      const isTold = async (namespace: string): Promise<void> => {
        const policy = await objectsOf(admin).get('BackupPolicy', { namespace, name: 'shop' });
        expect(conditionsIn(policy?.status).length).toBeGreaterThan(0);
      };
      try {
        await eventually(() => isTold(one), 60_000);
        const { port } = operator.log.find(({ msg }) => msg === 'probes and metrics are served') ?? {};
        const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
        const warned = () =>
          operator.log.filter(({ msg }) => msg?.startsWith('rights are missing in a watched namespace'));
        await eventually(async () => {
          expect(warned().map(({ namespace }) => namespace)).toEqual(Array(6).fill(two));
          expect((await ask('/readyz')).status).toBe(200);
          expect(await (await ask('/metrics')).text()).toContain(`backstay_policy_info{namespace="${one}"`);
        }, 60_000);
        expect(warned().map(({ missing }) => missing)).toContainEqual(
          expect.stringMatching(new RegExp(`cannot list resource "backuppolicies" .* in the namespace "${two}"`)),
        );
        await bind(two);
        await eventually(() => isTold(two), 60_000);
      } finally {
        await operator.kill();
      }
    }, 180_000);
  });
});
