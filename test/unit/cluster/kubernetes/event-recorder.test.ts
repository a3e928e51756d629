import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { EventRecorder } from '../../../../src/cluster/kubernetes/event-recorder.ts';
import type { Resource } from '../../../../src/cluster/resource.ts';
import { FakeClock } from '../../../harness/fake-clock.ts';
import { type Answer, scriptedServer, sendJson, sendStatus } from './scripted-server.ts';

const run = (name: string): Resource => ({
  apiVersion: 'backstay.dev/v1alpha1',
  kind: 'BackupRun',
  metadata: {
    name,
    namespace: 'prod',
    uid: `uid-${name}`,
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: '2026-01-01T00:00:00Z',
  },
  spec: {},
});
const failed = { type: 'Warning', reason: 'ToolFailed', message: 'pg_dump ended with 1' } as const;

describe('the event recorder', () => {
  let answer: Answer;
  let server: Awaited<ReturnType<typeof scriptedServer>>;
  let clock: FakeClock;
  let recorder: EventRecorder;
  let logged: { msg: string }[];

  beforeEach(async () => {
    answer = (response) => sendJson(response, {});
    server = await scriptedServer((response, request) => answer(response, request));
    clock = new FakeClock(Date.UTC(2026, 0, 1, 12, 0, 0, 7));
    logged = [];
    const log = pino({}, { write: (text: string) => logged.push(JSON.parse(text)) });
    recorder = new EventRecorder({ client: server.client(1_000), clock, log, instance: 'operator-0' });
  });
  afterEach(() => server.close());

  const sent = () => server.requests.map(({ method, body }) => ({ method, body: JSON.parse(body) }));

  it('writes one event about the object, with six digits of a second', async () => {
    await recorder.record(run('shop'), failed);
    expect(server.requests[0]!.path).toBe('/apis/events.k8s.io/v1/namespaces/prod/events');
    expect(sent()).toEqual([
      {
        method: 'POST',
        body: {
          apiVersion: 'events.k8s.io/v1',
          kind: 'Event',
          metadata: { name: expect.stringMatching(/^shop\.[0-9a-f]{16}$/), namespace: 'prod' },
          eventTime: '2026-01-01T12:00:00.007000Z',
          reportingController: 'backstay.dev/operator',
          reportingInstance: 'operator-0',
          action: 'Reconcile',
          type: 'Warning',
          reason: 'ToolFailed',
          note: 'pg_dump ended with 1',
          regarding: {
            apiVersion: 'backstay.dev/v1alpha1',
            kind: 'BackupRun',
            name: 'shop',
            namespace: 'prod',
            uid: 'uid-shop',
          },
        },
      },
    ]);
  });

  it('counts the same news on one event, and other news not', async () => {
    await recorder.record(run('shop'), failed);
    await clock.advance(5_000);
    await recorder.record(run('shop'), failed);
    await recorder.record(run('shop'), { ...failed, message: 'other' });
    await recorder.record(run('other'), failed);
    const [first, second, ...rest] = sent();
    expect(second).toEqual({
      method: 'PATCH',
      body: { series: { count: 2, lastObservedTime: '2026-01-01T12:00:05.007000Z' } },
    });
    expect(server.requests[1]!.path).toBe(`${server.requests[0]!.path}/${first!.body.metadata.name}`);
    expect(rest.map(({ method }) => method)).toEqual(['POST', 'POST']);
  });

  it('makes the event anew when the server has forgotten it, or after an hour', async () => {
    await recorder.record(run('shop'), failed);
    answer = (response, { method }) =>
      method === 'PATCH' ? sendStatus(response, 404, 'NotFound') : sendJson(response, {});
    await recorder.record(run('shop'), failed);
    expect(sent().map(({ method }) => method)).toEqual(['POST', 'PATCH', 'POST']);
    await clock.advance(3_600_000);
    await recorder.record(run('shop'), failed);
    expect(sent().map(({ method }) => method)).toEqual(['POST', 'PATCH', 'POST', 'POST']);
    expect(sent()[3]!.body.metadata.name).not.toBe(sent()[0]!.body.metadata.name);
  });

  it('writes ten events about one object at once and then one every 30 s, and the count stays true', async () => {
    for (let at = 0; at < 100; at++) await recorder.record(run('shop'), failed);
    expect(server.requests).toHaveLength(10);
    await recorder.record(run('other'), failed);
    expect(server.requests).toHaveLength(11);
    await clock.advance(30_000);
    await recorder.record(run('shop'), failed);
    await recorder.record(run('shop'), failed);
    expect(sent().slice(11)).toEqual([{ method: 'PATCH', body: { series: expect.objectContaining({ count: 101 }) } }]);
  });

  it('cuts a long message to what the server takes, not inside of a character', async () => {
    await recorder.record(run('shop'), { ...failed, message: '☃'.repeat(1_000) });
    const { note } = sent()[0]!.body;
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1_024);
    expect(note).toMatch(/^☃+…$/);
  });

  it.each<[string, Answer]>([
    ['refuses', (response) => sendStatus(response, 403, 'Forbidden')],
    ['is away', (response) => response.socket?.resetAndDestroy()],
  ])('logs and goes on when the server %s', async (_, broken) => {
    answer = broken;
    await recorder.record(run('shop'), failed);
    expect(logged).toEqual([expect.objectContaining({ msg: 'event not recorded', object: 'prod/shop' })]);
  });
});
