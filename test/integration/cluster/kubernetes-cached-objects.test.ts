import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import { CachedObjects } from '../../../src/cluster/kubernetes/cached-objects.ts';
import { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { objectPath } from '../../../src/cluster/kubernetes/paths.ts';
import type { ObjectChange } from '../../../src/cluster/objects.ts';
import { keyOf } from '../../../src/cluster/resource.ts';
import { type ApiProxy, apiProxy, type ProxiedRequest } from '../../harness/cluster/api-proxy.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { clientOf, eventsOf, freshNamespace, installKinds, objectsOf, silentLog } from './kubernetes-client.ts';
import { type ObjectsUnderTest, objectsContract } from './objects-contract.ts';
import { sampleDraft } from './samples.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;

const cached = (client: ApiClient, signal: AbortSignal, namespaces: string[] = []): CachedObjects =>
  new CachedObjects(
    { client, clock: systemClock, random: Math.random, log: silentLog, instance: 'test', namespaces },
    signal,
  );

let server: ApiServer;
let admin: ApiClient;

beforeAll(async () => {
  server = await apiServer({ tell: tellOnStderr });
  admin = clientOf(server.kubeconfigPath);
  await installKinds(admin);
}, coldMs);
afterAll(async () => {
  admin?.close();
  await server?.stop();
});

async function create(): Promise<ObjectsUnderTest> {
  const stop = new AbortController();
  const objects = cached(admin, stop.signal);
  return {
    objects,
    namespace: await freshNamespace(admin),
    otherNamespace: await freshNamespace(admin),
    // Somebody else's write is seen when the watch brings it.
    async applySpec(object, spec) {
      const path = objectPath(object.kind, keyOf(object));
      const { metadata } = await admin.json<typeof object>({ method: 'PATCH', path, body: { spec } });
      await eventually(async () =>
        expect((await objects.get(object.kind, keyOf(object)))?.metadata.resourceVersion).toBe(
          metadata.resourceVersion,
        ),
      );
    },
    events: (object) => eventsOf(admin, object),
    cleanup: async () => stop.abort(),
  };
}

objectsContract('Kubernetes, read from memory', create);

describe('objects read from memory', () => {
  let proxy: ApiProxy;
  let client: ApiClient;
  let stop: AbortController;
  let objects: CachedObjects;
  let namespace: string;

  beforeEach(async () => {
    proxy = await apiProxy(server);
    client = new ApiClient(proxy.connection, systemClock);
    stop = new AbortController();
    objects = cached(client, stop.signal);
    namespace = await freshNamespace(admin);
  });
  afterEach(async () => {
    stop.abort();
    client.close();
    await proxy.close();
  });

  const made = (name: string, more = {}) => objectsOf(admin).create(sampleDraft('BackupRun', namespace, name, more));
  const asked = (which: (request: ProxiedRequest) => boolean): ProxiedRequest[] => proxy.requests.filter(which);
  const isWatch = ({ query }: ProxiedRequest): boolean => query.get('watch') === 'true';

  it('cost one list and one watch of a kind, however many read and listen', async () => {
    const runs = await Promise.all(['a', 'b', 'c'].map((name) => made(name)));
    const seen: ObjectChange[] = [];
    await Promise.all([1, 2, 3].map(() => objects.watch('BackupRun', (change) => seen.push(change), stop.signal)));
    for (let count = 0; count < 20; count++) {
      await objects.list('BackupRun');
      await objects.list('BackupRun', namespace);
      expect(await objects.listRunsOf({ namespace, name: 'shop' })).toEqual(expect.arrayContaining(runs));
      for (const run of runs) expect(await objects.get('BackupRun', keyOf(run))).toEqual(run);
    }
    expect(seen.filter(({ object }) => object.metadata.namespace === namespace)).toHaveLength(9);
    await eventually(() => expect(asked(isWatch)).toHaveLength(1));
    expect(asked((request) => !isWatch(request))).toHaveLength(1);
  });

  it('hold our own writes at once, also while no event arrives', async () => {
    await objects.list('BackupRun');
    proxy.judge = (request) => (isWatch(request) ? 'silence' : undefined);
    const run = await objects.create(sampleDraft('BackupRun', namespace, 'own', { finalizers: ['backstay.dev/task'] }));
    expect(await objects.get('BackupRun', keyOf(run))).toBe(run);
    const running = await objects.replaceStatus(run, { phase: 'Running' });
    expect(await objects.listRunsOf({ namespace, name: 'shop' })).toEqual([running]);
    await objects.delete('BackupRun', keyOf(run));
    const marked = (await objects.get('BackupRun', keyOf(run)))!;
    expect(marked.metadata.deletionTimestamp).toBeDefined();
    await objects.replaceFinalizers(marked, []);
    expect(await objects.listRunsOf({ namespace, name: 'shop' })).toEqual([]);
    expect(await objects.get('BackupRun', keyOf(run))).toBeUndefined();
  });

  it('show the end of an object that somebody else took away while nobody looked', async () => {
    await objects.list('BackupRun');
    const run = await objects.create(sampleDraft('BackupRun', namespace, 'own'));
    const seen: string[] = [];
    await objects.watch('BackupRun', ({ type, object }) => seen.push(`${type} ${object.metadata.name}`), stop.signal);
    await objectsOf(admin).delete('BackupRun', keyOf(run));
    await eventually(() => expect(seen.at(-1)).toBe('gone own'));
    expect(await objects.get('BackupRun', keyOf(run))).toBeUndefined();
  });

  it('are not asked before they are all there', async () => {
    const policy = await objectsOf(admin).create(sampleDraft('BackupPolicy', namespace, 'shop'));
    const list = Promise.withResolvers<undefined>();
    proxy.judge = () => list.promise;
    const answers = [
      objects.get('BackupPolicy', keyOf(policy)),
      objects.list('BackupPolicy', namespace),
      objects.listRunsOf({ namespace, name: 'shop' }),
    ];
    await eventually(() => expect(proxy.requests).toHaveLength(2));
    list.resolve(undefined);
    expect(await Promise.all(answers)).toEqual([policy, [policy], []]);
  });

  it('are never said to be absent without a look at the server', async () => {
    await objects.list('BackupRun');
    proxy.judge = (request) => (isWatch(request) ? 'silence' : undefined);
    const run = await made('by-somebody-else');
    expect(await objects.list('BackupRun', namespace)).toEqual([]);
    expect(await objects.get('BackupRun', keyOf(run))).toEqual(run);
  });

  it('that are waited for and missing cost one look at the server, however many wait, and are there when they come', async () => {
    const key = { namespace, name: 'later' };
    await objects.list('BackupPolicy');
    await eventually(() => expect(asked(isWatch)).toHaveLength(1));
    proxy.requests.splice(0);
    for (let count = 0; count < 50; count++) {
      expect(await objects.get('BackupPolicy', key, 'remembered')).toBeUndefined();
    }
    expect(proxy.requests).toHaveLength(0);
    expect(await objects.get('BackupPolicy', key)).toBeUndefined();
    expect(proxy.requests).toHaveLength(1);
    const policy = await objectsOf(admin).create(sampleDraft('BackupPolicy', namespace, 'later'));
    await eventually(async () => expect(await objects.get('BackupPolicy', key, 'remembered')).toEqual(policy));
  });

  it('show what stands in the way of a create that was refused', async () => {
    await objects.list('BackupRun');
    proxy.judge = (request) => (isWatch(request) ? 'silence' : undefined);
    const run = await made('taken');
    const draft = sampleDraft('BackupRun', namespace, 'taken');
    await expect(objects.create(draft)).rejects.toMatchObject({ code: 'AlreadyExists' });
    expect(await objects.listRunsOf({ namespace, name: 'shop' })).toEqual([run]);
  });

  it('that are old are refused as such where no version goes with the effect, and by the server where one does', async () => {
    const run = await made('stale');
    await objects.list('BackupRun');
    proxy.judge = (request) => (isWatch(request) ? 'silence' : undefined);
    expect(await objects.isCurrent(run)).toBe(true);
    await objectsOf(admin).replaceStatus(run, { phase: 'Running' });
    expect(await objects.isCurrent(run)).toBe(false);
    await expect(objects.replaceStatus(run, {})).rejects.toMatchObject({ code: 'Conflict' });
    await expect(objects.replaceFinalizers(run, [])).rejects.toMatchObject({ code: 'Conflict' });
  });

  it('go on when a listener fails', async () => {
    const seen: string[] = [];
    await objects.watch(
      'BackupRun',
      () => {
        throw new Error('a defect');
      },
      stop.signal,
    );
    await objects.watch('BackupRun', ({ object }) => seen.push(object.metadata.name), stop.signal);
    await objects.create(sampleDraft('BackupRun', namespace, 'mine'));
    expect(seen).toContain('mine');
  });

  it('of some namespaces are listed and watched there only, the rest is asked live', async () => {
    const other = await freshNamespace(admin);
    const [here, there] = [await made('here'), await objectsOf(admin).create(sampleDraft('BackupRun', other, 'there'))];
    const third = await freshNamespace(admin);
    const some = cached(client, stop.signal, [namespace, third]);
    const seen: string[] = [];
    await some.watch('BackupRun', ({ object }) => seen.push(object.metadata.name), stop.signal);
    expect(seen).toEqual(['here']);
    expect(await some.list('BackupRun')).toEqual([here]);
    await eventually(() => expect(asked(isWatch)).toHaveLength(2));
    expect(new Set(proxy.requests.map(({ path }) => path))).toEqual(
      new Set([namespace, third].map((each) => `/apis/backstay.dev/v1alpha1/namespaces/${each}/backupruns`)),
    );
    expect(await some.get('BackupRun', keyOf(there))).toEqual(there);
    expect(await some.list('BackupRun', other)).toEqual([there]);
    await some.create(sampleDraft('BackupRun', third, 'new'));
    expect(await some.listRunsOf({ namespace: third, name: 'shop' })).toHaveLength(1);
  });
});
