import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import { CachedObjects } from '../../../src/cluster/kubernetes/cached-objects.ts';
import type { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { podDefaults } from '../../../src/cluster/kubernetes/job.ts';
import { objectPath } from '../../../src/cluster/kubernetes/paths.ts';
import { KubernetesRunner } from '../../../src/cluster/kubernetes/runner.ts';
import { keyOf, type Resource } from '../../../src/cluster/resource.ts';
import { runControllers } from '../../../src/operator/operator.ts';
import { hold, release } from '../../../src/operator/release.ts';
import { defaultTimings } from '../../../src/operator/timings.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { clientOf, eventsOf, freshNamespace, installKinds, objectsOf, silentLog } from './kubernetes-client.ts';
import { ownerReferenceTo, sampleDraft } from './samples.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;
const ours = 'backstay.dev/task';
const foreign = 'example.com/keep';

let server: ApiServer;
let admin: ApiClient;
let namespace: string;
let stop: AbortController;

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
  namespace = await freshNamespace(admin);
  stop = new AbortController();
});
afterEach(() => stop.abort());

const common = () => ({ client: admin, clock: systemClock, random: Math.random, log: silentLog });
const cached = () => new CachedObjects({ ...common(), instance: 'test' }, stop.signal);
const tasks = () => new KubernetesRunner({ ...common(), pod: { ...podDefaults, image: 'backstay:dev' } });
const now = async (run: Resource): Promise<Resource | undefined> => objectsOf(admin).get(run.kind, keyOf(run));
const made = (name: string, finalizers: string[] = []): Promise<Resource> =>
  objectsOf(admin).create(sampleDraft('BackupRun', namespace, name, { finalizers }));

describe('our finalizer at a real API server', () => {
  it.each([
    ['put on', hold, []],
    ['taken off', release, [ours]],
  ])('that is %s from an old copy drops nobody else’s', async (_, change, before) => {
    const objects = cached();
    const run = await made('shop', before);
    const finalizers = [...before, foreign];
    await admin.json({ method: 'PATCH', path: objectPath(run.kind, keyOf(run)), body: { metadata: { finalizers } } });
    const ports = { objects, runner: tasks(), timings: defaultTimings };
    await expect(change(run, ports)).rejects.toMatchObject({ code: 'Conflict' });
    expect((await now(run))?.metadata.finalizers).toEqual(finalizers);
    const read = (await now(run))!;
    const changed = await change(read, ports);
    expect(changed.metadata.finalizers).toContain(foreign);
    expect(changed.metadata.finalizers?.includes(ours)).toBe(change === hold);
  });

  it('goes from a deleted run, and the one of somebody else stays', async () => {
    const run = await made('shop', [foreign, ours]);
    const objects = cached();
    const ended = runControllers({ ...common(), objects, runner: tasks(), mode: 'kubernetes' }, stop.signal);
    await objectsOf(admin).delete('BackupRun', keyOf(run));
    await eventually(async () => expect((await now(run))?.metadata.finalizers).toEqual([foreign]));
    stop.abort();
    await ended;
  });

  it('gives up, with an event, when a task does not end', async () => {
    const run = await made('shop', [ours]);
    const startedAt = '2026-01-01T00:00:00Z';
    const attempt = { number: 1, store: 'near', startedAt, startBy: startedAt, runningDeadline: '6h' };
    await objectsOf(admin).replaceStatus(run, { phase: 'Running', attempts: [attempt] });
    const runner = tasks();
    const task = { taskVersion: 1 as const, verb: 'inspect' as const, object: '', runUid: '', deadlineMs: 0 };
    await runner.start({
      name: 'shop-1',
      namespace,
      owner: ownerReferenceTo(run),
      secrets: [],
      task: () => ({ ...task, store: { kind: 'filesystem' as const, name: '', path: '' } }),
      tool: undefined,
      volumes: [],
      runningMs: 1,
    });
    // Nobody collects garbage here: a Job that is deleted in the foreground stays for ever.
    const objects = cached();
    const timings = { recheckMs: 100, giveUpMs: 2_000 };
    const ended = runControllers({ ...common(), objects, runner, mode: 'kubernetes', timings }, stop.signal);
    await objectsOf(admin).delete('BackupRun', keyOf(run));
    await eventually(async () => expect(await now(run)).toBeUndefined());
    stop.abort();
    await ended;
    const events = await eventsOf(admin, run);
    expect(events.at(-1)).toMatchObject({
      type: 'Warning',
      reason: 'Stopping',
      message: 'it is let go although shop-1 did not end: look for what is left of it',
    });
  });
});

describe('events at a real API server', () => {
  it('tell the same news once with a count, other news beside it, and stop at ten a burst', async () => {
    const objects = objectsOf(admin);
    const run = await made('shop');
    const failed = { type: 'Warning', reason: 'ToolFailed', message: 'pg_dump ended with 1' } as const;
    for (let count = 0; count < 5; count++) await objects.recordEvent(run, failed);
    for (let count = 0; count < 20; count++) {
      await objects.recordEvent(run, { ...failed, message: `pg_dump ended with ${count + 2}` });
    }
    const { items } = await admin.json<{ items: EventView[] }>({
      method: 'GET',
      path: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`,
    });
    const notes = items.map(({ note, series }) => [note, series?.count ?? 1]);
    expect(new Map(notes as [string, number][])).toEqual(
      new Map([
        ['pg_dump ended with 1', 5],
        ...[2, 3, 4, 5, 6].map((code) => [`pg_dump ended with ${code}`, 1] as const),
      ]),
    );
    for (const { eventTime } of items) expect(eventTime).toMatch(/\.\d{6}Z$/);
  });
});

interface EventView {
  note: string;
  eventTime: string;
  series?: { count: number };
}
