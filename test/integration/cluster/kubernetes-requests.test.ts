import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import { conditionsIn } from '../../../src/cluster/conditions.ts';
import { noInstruments } from '../../../src/cluster/instruments.ts';
import { CachedObjects } from '../../../src/cluster/kubernetes/cached-objects.ts';
import { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { podDefaults } from '../../../src/cluster/kubernetes/job.ts';
import { KubernetesRunner } from '../../../src/cluster/kubernetes/runner.ts';
import type { Kind } from '../../../src/cluster/resource.ts';
import { runControllers } from '../../../src/operator/operator.ts';
import { type ApiProxy, apiProxy } from '../../harness/cluster/api-proxy.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { makeHistory } from '../../harness/finished-runs.ts';
import { clientOf, freshNamespace, installKinds, objectsOf, silentLog } from './kubernetes-client.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;
const policies = 50;
const runsPerPolicy = 5;
const slowMs = 180_000;

describe('what an operator with 50 policies and 250 finished runs asks of the API server', () => {
  let server: ApiServer;
  let admin: ApiClient;
  let proxy: ApiProxy;
  let visits: Map<Kind, number>;

  beforeAll(async () => {
    server = await apiServer({ tell: tellOnStderr });
    admin = clientOf(server.kubeconfigPath);
    await installKinds(admin);
    proxy = await apiProxy(server);
    const namespaces = await Promise.all(Array.from({ length: 5 }, () => freshNamespace(admin)));
    await makeHistory(admin, { namespaces, policies, runsPerPolicy });
  }, coldMs);
  afterAll(async () => {
    admin?.close();
    await proxy?.close();
    await server?.stop();
  });

  /** Works from the first list on until `enough`; then answers what was asked for, as `verb resource`, with counts. */
  async function work(enough: () => Promise<void>): Promise<Record<string, number>> {
    proxy.requests.splice(0);
    visits = new Map();
    const stop = new AbortController();
    const client = new ApiClient(proxy.connection, systemClock);
    const common = { client, clock: systemClock, random: Math.random, log: silentLog };
    const objects = new CachedObjects({ ...common, instance: 'test' }, stop.signal);
    const runner = new KubernetesRunner({ ...common, pod: { ...podDefaults, image: 'backstay:dev' } });
    const instruments = {
      ...noInstruments,
      reconciled: (kind: Kind) => void visits.set(kind, (visits.get(kind) ?? 0) + 1),
    };
    const ended = runControllers({ ...common, objects, runner, mode: 'kubernetes', instruments }, stop.signal);
    try {
      await enough();
    } finally {
      stop.abort();
      await ended;
      client.close();
    }
    return counts();
  }

  function counts(): Record<string, number> {
    const counted: Record<string, number> = {};
    for (const { method, path, query } of proxy.requests) {
      const [, resource = ''] = /^\/(?:api\/v1|apis\/[^/]+\/[^/]+)(?:\/namespaces\/[^/]+)?\/([^/]+)/.exec(path) ?? [];
      const verb =
        query.get('watch') === 'true' ? 'watch' : method === 'GET' && path.endsWith(resource) ? 'list' : method;
      const what = `${verb} ${path.endsWith('/status') ? `${resource}/status` : resource}`;
      counted[what] = (counted[what] ?? 0) + 1;
    }
    return counted;
  }

  const allVisited = (): Promise<void> =>
    eventually(() => {
      expect(visits.get('BackupPolicy') ?? 0).toBeGreaterThanOrEqual(policies);
      expect(visits.get('BackupRun') ?? 0).toBeGreaterThanOrEqual(policies * runsPerPolicy);
    }, 60_000);

  const watched = ['backuppolicies', 'backupruns', 'restorerequests', 'backupgrants', 'jobs', 'pods'];
  const once = (verb: string) => Object.fromEntries(watched.map((resource) => [`${verb} ${resource}`, 1]));

  it(
    'is one status and one event for each object that has none yet',
    async () => {
      const asked = await work(() =>
        eventually(async () => {
          for (const kind of ['BackupPolicy', 'BackupRun'] as const) {
            const all = await objectsOf(admin).list(kind);
            expect(all.filter(({ status }) => conditionsIn(status).length === 0)).toEqual([]);
          }
        }, 60_000),
      );
      const { 'POST events': events = 0, ...rest } = asked;
      // The last event may have been cut off by the stop.
      expect(events).toBeGreaterThan(0);
      expect(events).toBeLessThanOrEqual(policies + policies * runsPerPolicy);
      expect(rest).toMatchObject({
        ...once('list'),
        'PUT backuppolicies/status': policies,
        'PUT backupruns/status': policies * runsPerPolicy,
      });
    },
    slowMs,
  );

  it(
    'is one list and one watch of each resource when all is told already, however many objects there are',
    async () => {
      const asked = await work(async () => {
        await allVisited();
        await eventually(() => expect(counts()).toMatchObject(once('watch')));
      });
      expect(asked).toEqual({ ...once('list'), ...once('watch'), 'GET namespaces': 1 });
    },
    slowMs,
  );

  it(
    'is one status and one event more for a policy that somebody suspends',
    async () => {
      const [policy] = await objectsOf(admin).list('BackupPolicy');
      const { namespace = '', name = '' } = policy?.metadata ?? {};
      const path = `/apis/backstay.dev/v1alpha1/namespaces/${namespace}/backuppolicies/${name}`;
      const asked = await work(async () => {
        await allVisited();
        await admin.json({ method: 'PATCH', path, body: { spec: { suspend: true } } });
        await eventually(() => expect(counts()).toMatchObject({ 'POST events': 1, ...once('watch') }));
      });
      expect(asked).toEqual({
        ...once('list'),
        ...once('watch'),
        'GET namespaces': 1,
        'PUT backuppolicies/status': 1,
        'POST events': 1,
      });
    },
    slowMs,
  );
});
