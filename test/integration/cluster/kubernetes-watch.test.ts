import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { systemClock } from '../../../src/base/clock.ts';
import type { ApiError } from '../../../src/cluster/kubernetes/api-error.ts';
import { connectByKubeconfig } from '../../../src/cluster/kubernetes/connect.ts';
import { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { listAll } from '../../../src/cluster/kubernetes/list.ts';
import { reflect, reflectorTimings } from '../../../src/cluster/kubernetes/reflector.ts';
import { awaitServedKinds, checkServedKinds } from '../../../src/cluster/kubernetes/served-kinds.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { FakeClock } from '../../harness/fake-clock.ts';
import { clientOf, freshNamespace, installKinds } from './kubernetes-client.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;

describe('list and watch at a real API server', () => {
  let server: ApiServer;
  let client: ApiClient;
  let namespace: string;
  let path: string;
  let stop: AbortController;
  let seen: string[];
  let failures: { err: { message: string; status?: number } }[];

  beforeAll(async () => {
    server = await apiServer({ tell: tellOnStderr });
    client = clientOf(server.kubeconfigPath);
  }, coldMs);
  afterAll(async () => {
    client?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    namespace = await freshNamespace(client);
    path = `/api/v1/namespaces/${namespace}/configmaps`;
    stop = new AbortController();
    seen = [];
    failures = [];
  });
  afterEach(() => stop.abort());

  const put = (name: string) => client.json({ method: 'POST', path, body: { metadata: { name } } });
  const remove = (name: string) => client.json({ method: 'DELETE', path: `${path}/${name}` });

  function follow(options: { clock?: FakeClock; client?: ApiClient; inactivityMs?: number } = {}): Promise<void> {
    const log = pino({ level: 'warn' }, { write: (text: string) => failures.push(JSON.parse(text)) });
    return reflect(
      {
        client: options.client ?? client,
        clock: options.clock ?? systemClock,
        random: () => 0,
        log,
        path,
        keep: ({ metadata: { name } }) => name,
        onChange: ({ type, object }) => seen.push(`${type} ${object}`),
        timings: {
          ...reflectorTimings,
          ...(options.inactivityMs !== undefined && { inactivityMs: options.inactivityMs }),
          backoff: { firstMs: 100, factor: 2, capMs: 400 },
        },
      },
      stop.signal,
    );
  }

  it('pages a list longer than one page, all of one moment', async () => {
    const names = Array.from({ length: 1_001 }, (_, at) => `item-${String(at).padStart(4, '0')}`);
    for (let at = 0; at < names.length; at += 50) await Promise.all(names.slice(at, at + 50).map(put));
    const list = await listAll(client, path);
    expect(list.items.map(({ metadata }) => metadata.name)).toEqual(names);
    await follow();
    expect(seen).toHaveLength(1_001);
    await put('one-more');
    await eventually(() => expect(seen.at(-1)).toBe('present one-more'));
    expect(seen).toHaveLength(1_002);
  });

  it('goes on after the server was killed', async () => {
    await put('before');
    await follow();
    await server.restartApiServer('SIGKILL');
    await put('after');
    await eventually(() => expect(seen).toContain('present after'));
    expect(seen).toEqual(['present before', 'present after']);
    expect(failures.length).toBeGreaterThan(0);
  });

  it('goes on after a server that froze with the connection open', async () => {
    const impatient = new ApiClient(connectByKubeconfig({ path: server.kubeconfigPath }), systemClock, 500);
    await follow({ client: impatient, inactivityMs: 1_000 });
    const failed = (how: RegExp): boolean => failures.some(({ err }) => how.test(err.message));
    await put('before');
    await eventually(() => expect(seen).toEqual(['present before']));
    server.pause();
    try {
      await eventually(() => expect(failed(/no event and no bookmark for 1 s/)).toBe(true));
      await eventually(() => expect(failed(/no answer within 0.5 s/)).toBe(true));
    } finally {
      server.resume();
    }
    await put('after');
    await eventually(() => expect(seen).toEqual(['present before', 'present after']));
    impatient.close();
  });

  it('lists anew at 410 and tells of what vanished while it did not look', async () => {
    await put('stays');
    await put('vanishes');
    const clock = new FakeClock();
    await follow({ clock });
    expect(seen).toEqual(['present stays', 'present vanishes']);
    // The server is down; the reflector pauses until its clock moves, and meanwhile its version expires.
    await server.restartApiServer('SIGKILL');
    await eventually(() => expect(failures).toHaveLength(1));
    await remove('vanishes');
    await put('comes');
    await server.compact();
    await server.restartApiServer('SIGKILL');
    await clock.advance(1_000);
    await eventually(() => expect(failures.some(({ err }) => err.status === 410)).toBe(true));
    await clock.advance(1_000);
    await eventually(() => expect(seen.slice(2)).toEqual(['gone vanishes', 'present comes']));
    await put('later');
    await eventually(() => expect(seen.at(-1)).toBe('present later'));
  });

  it('says in plain words that the kinds are missing, until they are there', async () => {
    await expect(checkServedKinds(client)).rejects.toMatchObject({
      reason: 'KindsMissing',
      message:
        'the API server does not serve backuppolicies, backupruns, restorerequests, backupgrants of backstay.dev/v1alpha1',
      hint: expect.stringContaining('crds/'),
    });
    const missing = client.json({ method: 'GET', path: '/apis/backstay.dev/v1alpha1/namespaces/x/backupruns/y' });
    await expect(missing).rejects.toMatchObject({ code: 'Unavailable', status: 404 } satisfies Partial<ApiError>);
    await installKinds(client);
    await checkServedKinds(client);
  });

  it('refuses kinds of an older version by naming what they lack, and takes those of a later one', async () => {
    await installKinds(client);
    const crd = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/backuppolicies.backstay.dev';
    const current = await client.json<CrdView>({ method: 'GET', path: crd });
    const versions = structuredClone(current.spec.versions);
    const properties = versions[0]!.schema.openAPIV3Schema.properties['spec']!.properties;
    delete properties['suspend'];
    delete properties['schedules'];
    await client.json({ method: 'PATCH', path: crd, body: { spec: { versions } } });
    await eventually(() =>
      expect(checkServedKinds(client)).rejects.toMatchObject({
        reason: 'KindsMissing',
        message:
          'the API server has an older form of the kinds of backstay.dev/v1alpha1: ' +
          'it does not know BackupPolicy spec.schedules, BackupPolicy spec.suspend',
        hint: expect.stringContaining('crds/'),
      }),
    );
    const later = structuredClone(current.spec.versions);
    later[0]!.schema.openAPIV3Schema.properties['spec']!.properties['later'] = { type: 'string', properties: {} };
    await client.json({ method: 'PATCH', path: crd, body: { spec: { versions: later } } });
    const { signal } = stop;
    const log = pino({ level: 'silent' });
    await awaitServedKinds({ client, clock: systemClock, log, patienceMs: 30_000, signal });
  });
});

interface CrdView {
  spec: { versions: { schema: { openAPIV3Schema: NodeView } }[] };
}

interface NodeView {
  type: string;
  properties: Record<string, NodeView>;
}
