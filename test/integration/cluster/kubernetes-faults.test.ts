import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { systemClock } from '../../../src/base/clock.ts';
import { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { listAll } from '../../../src/cluster/kubernetes/list.ts';
import { reflect, reflectorTimings } from '../../../src/cluster/kubernetes/reflector.ts';
import { isNewer } from '../../../src/cluster/kubernetes/version.ts';
import { type ApiProxy, apiProxy, type ProxiedRequest, type ProxyFault } from '../../harness/cluster/api-proxy.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { clientOf, freshNamespace } from './kubernetes-client.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;
const slowMs = 180_000;

const isWatch = ({ query }: ProxiedRequest): boolean => query.get('watch') === 'true';
/** Not a list of one, which asks only how far the server is. */
const isWholeList = (request: ProxiedRequest): boolean => !isWatch(request) && request.query.get('limit') !== '1';

/** What a real server does not do on demand is done by a proxy in front of it. */
describe('list and watch of a real API server behind a network that fails', () => {
  let server: ApiServer;
  let admin: ApiClient;
  let proxy: ApiProxy;
  let client: ApiClient;
  let path: string;
  let stop: AbortController;
  let seen: string[];
  let positions: string[];
  let failures: { err: { message: string; status?: number }; delayMs: number }[];

  beforeAll(async () => {
    server = await apiServer({ tell: tellOnStderr });
    admin = clientOf(server.kubeconfigPath);
  }, coldMs);
  afterAll(async () => {
    admin?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    proxy = await apiProxy(server);
    client = new ApiClient(proxy.connection, systemClock);
    path = `/api/v1/namespaces/${await freshNamespace(admin)}/configmaps`;
    stop = new AbortController();
    seen = [];
    positions = [];
    failures = [];
  });
  afterEach(async () => {
    stop.abort();
    client.close();
    await proxy.close();
  });

  const put = (name: string, more = {}) =>
    admin.json<{ metadata: { resourceVersion: string; creationTimestamp: string } }>({
      method: 'POST',
      path,
      body: { metadata: { name }, ...more },
    });
  const asked = (which: (request: ProxiedRequest) => boolean): number => proxy.requests.filter(which).length;
  /** The first `count` requests of this kind go wrong. */
  const failing = (which: (request: ProxiedRequest) => boolean, count: number, fault: ProxyFault): void => {
    let left = count;
    proxy.judge = (request) => (which(request) && left-- > 0 ? fault : undefined);
  };

  function follow(more: { watchMs?: number; inactivityMs?: number; client?: ApiClient } = {}): Promise<void> {
    const log = pino({ level: 'warn' }, { write: (text: string) => failures.push(JSON.parse(text)) });
    const { watchMs = 300_000, inactivityMs = 150_000 } = more;
    return reflect(
      {
        client: more.client ?? client,
        clock: systemClock,
        random: () => 0,
        log,
        path,
        keep: ({ metadata }) => metadata as typeof metadata & { creationTimestamp: string },
        onChange: ({ type, object }) => seen.push(`${type} ${object.name} ${object.creationTimestamp}`.slice(0, -21)),
        onPosition: (version) => positions.push(version),
        timings: {
          ...reflectorTimings,
          watchMinMs: watchMs,
          watchMaxMs: watchMs,
          inactivityMs,
          backoff: { firstMs: 40, factor: 2, capMs: 200 },
        },
      },
      stop.signal,
    );
  }

  it.each<[string, ProxyFault, RegExp]>([
    ['500', { status: 500 }, /500/],
    ['401', { status: 401 }, /401/],
    ['a 503 of a balancer', { status: 503 }, /503/],
    ['a reset', 'reset', /cannot be reached/],
    ['a connection that breaks in the middle of the answer', 'cut', /cannot be reached/],
  ])('survives %s to its list, three times, with growing pauses', async (_, fault, message) => {
    await put('there');
    failing((request) => !isWatch(request), 3, fault);
    await follow();
    expect(seen).toEqual(['present there']);
    expect(failures.map(({ err }) => message.test(err.message))).toEqual([true, true, true]);
    expect(failures.map(({ delayMs }) => delayMs)).toEqual([20, 40, 80]);
  });

  it.each<[string, ProxyFault]>([
    ['500', { status: 500 }],
    ['401', { status: 401 }],
    ['a reset', 'reset'],
  ])('survives %s to its watch, and misses nothing', async (_, fault) => {
    await put('before');
    failing(isWatch, 3, fault);
    await follow();
    await put('after');
    await eventually(() => expect(seen).toEqual(['present before', 'present after']));
    await eventually(() => expect(failures).toHaveLength(3));
  });

  it('stays away for as long as a 429 asks, then goes on from where it was', async () => {
    await put('before');
    failing(isWatch, 1, { status: 429, headers: { 'retry-after': '1' } });
    await follow();
    await eventually(() => expect(failures).toHaveLength(1));
    expect(failures[0]).toMatchObject({ delayMs: 1_000, err: { status: 429 } });
    await put('after');
    await eventually(() => expect(seen).toEqual(['present before', 'present after']));
    expect(asked(isWholeList)).toBe(1);
  });

  it('goes on after a watch whose connection broke in the middle of an event', async () => {
    await put('before');
    failing(isWatch, 1, 'cut');
    await follow();
    await put('after');
    await eventually(() => expect(seen).toEqual(['present before', 'present after']));
    expect(asked(isWholeList)).toBe(1);
  });

  it('notices a watch whose bytes stopped coming while the connection stays', async () => {
    await put('before');
    await follow({ inactivityMs: 500 });
    await eventually(() => expect(asked(isWatch)).toBe(1));
    proxy.freeze();
    await put('after');
    await eventually(() => expect(failures.some(({ err }) => /no event and no bookmark/.test(err.message))).toBe(true));
    proxy.thaw();
    await eventually(() => expect(seen).toEqual(['present before', 'present after']));
  });

  it('opens no watch when it is stopped while the list is under way', async () => {
    const list = Promise.withResolvers<undefined>();
    proxy.judge = () => list.promise;
    const following = follow();
    await eventually(() => expect(proxy.requests).toHaveLength(1));
    stop.abort();
    list.resolve(undefined);
    await following;
    await client.json({ method: 'GET', path });
    expect([asked(isWatch), seen]).toEqual([0, []]);
  });

  it(
    'moves on by bookmarks while nothing happens, so that its position outlives a compaction',
    async () => {
      await put('before');
      await follow({ watchMs: 4_000 });
      const elsewhere = `/api/v1/namespaces/${await freshNamespace(admin)}/configmaps`;
      const body = { metadata: { name: 'other' } };
      const { metadata } = await admin.json<Awaited<ReturnType<typeof put>>>({ method: 'POST', path: elsewhere, body });
      await eventually(() => expect(isNewer(metadata.resourceVersion, positions.at(-1) ?? '')).toBe(false), 60_000);
      await server.compact();
      await eventually(() => expect(asked(isWatch)).toBeGreaterThan(1), 60_000);
      await put('after');
      await eventually(() => expect(seen).toEqual(['present before', 'present after']));
      expect([asked(isWholeList), failures]).toEqual([1, []]);
    },
    slowMs,
  );

  it(
    'begins a list again whose next page is no longer there',
    async () => {
      const names = Array.from({ length: 510 }, (_, at) => `item-${String(at).padStart(3, '0')}`);
      for (let at = 0; at < names.length; at += 51)
        await Promise.all(names.slice(at, at + 51).map((name) => put(name)));
      let isFirst = true;
      proxy.judge = async ({ query }) => {
        if (!isFirst || query.get('continue') === null) return undefined;
        isFirst = false;
        // What the page is of is compacted away, and a server that has just started has no copy of it.
        await put('later');
        await server.compact();
        await server.restartApiServer('SIGKILL');
        return undefined;
      };
      const patient = new ApiClient(proxy.connection, systemClock, 120_000);
      const { items } = await listAll(patient, path);
      patient.close();
      expect(items.map(({ metadata }) => metadata.name)).toEqual([...names, 'later']);
      const pages = proxy.requests.map(({ query }) => query.get('continue') !== null);
      expect(pages).toEqual([false, true, false, true]);
    },
    slowMs,
  );

  it('gives a time the same form in a list and in a watch', async () => {
    const { metadata } = await put('listed');
    const times: unknown[] = [];
    await reflect(
      {
        client,
        clock: systemClock,
        random: () => 0,
        log: pino({ level: 'silent' }),
        path,
        keep: (raw) => (raw as unknown as { metadata: { creationTimestamp: unknown } }).metadata.creationTimestamp,
        onChange: ({ object }) => times.push(object),
      },
      stop.signal,
    );
    const { metadata: watched } = await put('watched');
    await eventually(() => expect(times).toEqual([metadata.creationTimestamp, watched.creationTimestamp]));
  });

  describe('an answer that is no success', () => {
    const failureOf = (request: Parameters<ApiClient['json']>[0]) =>
      admin.json(request).then(
        () => undefined,
        (error: unknown) => error,
      );

    it('has a code, a status and a sentence, and nothing of the headers', async () => {
      await put('one');
      const old = await put('two');
      await admin.json({ method: 'PATCH', path: `${path}/two`, body: { data: { a: 'b' } } });
      const stale = { metadata: { name: 'two', resourceVersion: old.metadata.resourceVersion } };
      const found = await Promise.all([
        failureOf({ method: 'GET', path: `${path}/nobody` }),
        failureOf({ method: 'POST', path, body: { metadata: { name: 'one' } } }),
        failureOf({ method: 'PUT', path: `${path}/two`, body: stale }),
        failureOf({ method: 'POST', path, body: { metadata: { name: 'Not A Name' } } }),
        failureOf({ method: 'POST', path, body: { metadata: { name: 'big' }, data: { a: 'x'.repeat(2_000_000) } } }),
        failureOf({ method: 'POST', path, body: { metadata: { name: 'huge' }, data: { a: 'x'.repeat(5_000_000) } } }),
        failureOf({ method: 'GET', path: '/apis/nobody.example.com/v1/things' }),
      ]);
      expect(found.map((error) => (error as { code: string }).code)).toEqual([
        'NotFound',
        'AlreadyExists',
        'Conflict',
        'Invalid',
        'Invalid',
        'Invalid',
        'Unavailable',
      ]);
      expect(found.map((error) => (error as { status: number }).status)).toEqual([404, 409, 409, 422, 422, 413, 404]);
      for (const error of found) expect((error as Error).message.length).toBeLessThan(400);
      expect((found[0] as Error).message).toBe('configmaps "nobody" not found');
    });
  });
});
