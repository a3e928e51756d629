import { afterEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { systemClock } from '../../../../src/base/clock.ts';
import { ApiClient } from '../../../../src/cluster/kubernetes/http.ts';
import { type ReflectorTimings, reflect } from '../../../../src/cluster/kubernetes/reflector.ts';
import { ProcessMetrics } from '../../../../src/operator/metrics/process-metrics.ts';
import { eventually } from '../../../harness/eventually.ts';
import { type Answer, scriptedServer, sendJson, sendStatus } from './scripted-server.ts';

describe('what the client and the watches tell of themselves', () => {
  const closing: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function measured(answer: Answer, deadlineMs?: number) {
    const server = await scriptedServer(answer);
    closing.push(server.close);
    const metrics = new ProcessMetrics('1', () => systemClock.nowMs());
    const connection = { server: server.url, namespace: undefined, authorize: async () => ({}) };
    const client = new ApiClient(connection, systemClock, deadlineMs, metrics);
    closing.push(() => client.close());
    const requests = () =>
      metrics
        .families(true)
        .find(({ name }) => name === 'backstay_api_requests_total')
        ?.samples.map(({ labels, value }) => `${labels['method']} ${labels['code']} ${value}`);
    return { metrics, client, requests };
  }

  it('counts calls by what the server answered, also refusals', async () => {
    const { client, requests } = await measured((response, { method }) =>
      method === 'GET' ? sendJson(response, {}) : sendStatus(response, 409, 'Conflict'),
    );
    await client.json({ method: 'GET', path: '/x' });
    await client.json({ method: 'PUT', path: '/x', body: {} }).catch(() => undefined);
    expect(requests()).toEqual(['GET 200 1', 'PUT 409 1']);
  });

  it('counts as an error a call that got no answer in time, and not one that was cut off on purpose', async () => {
    const stop = new AbortController();
    const { client, requests } = await measured((_response, { path }) => {
      if (path === '/stopped') stop.abort();
    }, 200);
    await client.json({ method: 'GET', path: '/silent' }).catch(() => undefined);
    expect(requests()).toEqual(['GET error 1']);
    await client.json({ method: 'GET', path: '/stopped', signal: stop.signal }).catch(() => undefined);
    expect(requests()).toEqual(['GET error 1']);
  });

  it('knows which watch was not heard yet, which failed, and forgets one that was stopped', async () => {
    let broken = true;
    const { metrics, client } = await measured((response, { query }) => {
      if (broken) return sendStatus(response, 500, 'InternalError');
      if (query.has('watch')) return response.writeHead(200).flushHeaders();
      return sendJson(response, { metadata: { resourceVersion: '7' }, items: [] });
    });
    const timings: ReflectorTimings = {
      watchMinMs: 60_000,
      watchMaxMs: 60_000,
      inactivityMs: 60_000,
      shortWatchMs: 0,
      backoff: { firstMs: 1, factor: 1, capMs: 1 },
    };
    const stop = new AbortController();
    closing.push(() => stop.abort());
    const log = pino({ level: 'silent' });
    const path = '/api/v1/namespaces/prod/pods';
    const synced = reflect(
      {
        client,
        clock: systemClock,
        random: Math.random,
        log,
        path,
        keep: (raw) => raw,
        onChange: () => undefined,
        timings,
      },
      stop.signal,
    );
    const { watches } = metrics;
    await eventually(() => expect((watches.restarts.get('pods') ?? 0) > 1).toBe(true));
    expect(watches.unheard()).toEqual(['pods']);
    broken = false;
    await synced;
    expect(watches.unheard()).toEqual([]);
    expect(watches.silentFor(0)).toEqual(['pods']);
    stop.abort();
    await eventually(() => expect(watches.silentFor(0)).toEqual([]));
  });
});
