import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { Objects } from '../../../src/cluster/objects.ts';
import { type HttpServer, serveHttp } from '../../../src/operator/http-server.ts';
import { ProcessMetrics } from '../../../src/operator/metrics/process-metrics.ts';
import { observe } from '../../../src/operator/observe.ts';
import { FakeClock } from '../../harness/fake-clock.ts';
import { faultOf } from '../../harness/fault-of.ts';
import { sampleRun } from '../cluster/memory-objects.ts';

describe('the probes and the metrics of the operator', () => {
  let clock: FakeClock;
  let metrics: ProcessMetrics;
  let state: { kindsServed: boolean; leading: boolean };
  let lists: number;
  let server: HttpServer;
  const objects: Pick<Objects, 'list'> = {
    list: async (kind) => {
      lists++;
      return kind === 'BackupRun' ? [sampleRun()] : [];
    },
  };
  const log = pino({ level: 'silent' });
  const start = (port: number, from = objects) =>
    observe({ port, state, metrics, objects: from, clock, log, silenceLimitMs: 900_000 });

  beforeEach(async () => {
    clock = new FakeClock();
    metrics = new ProcessMetrics('1.2.3', () => clock.nowMs());
    state = { kindsServed: true, leading: true };
    lists = 0;
    server = await start(0);
  });
  afterEach(() => server.close());

  const allHeard = (): void => {
    for (const resource of ['backuppolicies', 'backupruns', 'restorerequests']) metrics.watchBegan(resource).heard();
  };

  async function ask(path: string, method = 'GET') {
    const outgoing = request({ port: server.port, path, method, agent: false }).end();
    const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve);
      outgoing.once('error', reject);
    });
    return { status: response.statusCode, headers: response.headers, body: await text(response) };
  }

  it('is alive while every watch is heard from time to time, and not when one is deaf', async () => {
    const runs = metrics.watchBegan('backupruns');
    const jobs = metrics.watchBegan('jobs');
    await clock.advance(899_000);
    runs.heard();
    expect((await ask('/healthz')).status).toBe(200);
    await clock.advance(1_000);
    expect(await ask('/healthz')).toMatchObject({ status: 503, body: 'nothing was heard of jobs for 900 s\n' });
    jobs.heard();
    expect((await ask('/healthz')).status).toBe(200);
  });

  it('is alive when a watch ended on purpose, and while it waits for the lease', async () => {
    metrics.watchBegan('jobs').ended();
    state.leading = false;
    await clock.advance(3_600_000);
    expect((await ask('/healthz')).status).toBe(200);
  });

  it('is ready when the kinds are served and every first list has come', async () => {
    state.kindsServed = false;
    expect((await ask('/readyz')).status).toBe(503);
    state.kindsServed = true;
    metrics.watchBegan('backupruns').heard();
    metrics.watchBegan('restorerequests').heard();
    const jobs = metrics.watchBegan('jobs');
    expect(await ask('/readyz')).toMatchObject({
      status: 503,
      body: 'the first list has not come yet of backuppolicies, jobs\n',
    });
    jobs.heard();
    expect((await ask('/readyz')).status).toBe(503);
    metrics.watchBegan('backuppolicies').heard();
    expect((await ask('/readyz')).status).toBe(200);
  });

  it('is ready as a standby, whose metrics say nothing of objects', async () => {
    state.leading = false;
    expect((await ask('/readyz')).status).toBe(200);
    // As in a replica that reads objects without working on them.
    allHeard();
    const { body } = await ask('/metrics');
    expect(body).toContain('backstay_operator_leader 0\n');
    expect(body).toContain('backstay_operator_info{version="1.2.3"} 1\n');
    expect(body).not.toContain('backstay_runs');
    expect(lists).toBe(0);
  });

  it('tells as the leader what the objects say, once the first lists have come', async () => {
    expect((await ask('/metrics')).body).not.toContain('backstay_runs');
    expect(lists).toBe(0);
    allHeard();
    await clock.advance(1_000);
    const { body, headers } = await ask('/metrics');
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body).toContain('backstay_operator_leader 1\n');
    expect(body).toMatch(/^backstay_runs\{.*\} 1$/m);
  });

  it('computes the text once a second at most, however many ask', async () => {
    allHeard();
    await Promise.all(Array.from({ length: 20 }, () => ask('/metrics')));
    expect(lists).toBe(3);
    await clock.advance(1_000);
    await ask('/metrics');
    expect(lists).toBe(6);
  });

  it('answers 500 without a reason when the objects cannot be read, and goes on', async () => {
    allHeard();
    await server.close();
    let broken = true;
    server = await start(0, {
      list: async () => {
        if (broken) throw new Error('token abc was refused');
        return [];
      },
    });
    expect(await ask('/metrics')).toMatchObject({ status: 500, body: 'internal error\n' });
    broken = false;
    await clock.advance(1_000);
    expect((await ask('/metrics')).status).toBe(200);
  });

  it('has no other path, takes GET and HEAD only, and sends no body to HEAD', async () => {
    expect((await ask('/')).status).toBe(404);
    expect((await ask('/constructor')).status).toBe(404);
    expect((await ask('/metrics/../healthz')).status).toBe(404);
    expect(await ask('/healthz', 'POST')).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
    const head = await ask('/healthz?verbose', 'HEAD');
    expect([head.status, head.body, head.headers['content-length']]).toEqual([200, '', '3']);
  });

  it('cuts off who does not finish asking', async () => {
    await server.close();
    server = await serveHttp(0, {}, log, { requestMs: 100, checkMs: 50, idleMs: 60_000 });
    const socket = connect(server.port);
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow:');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('ends at once although somebody keeps a connection', async () => {
    const socket = connect(server.port);
    const ended = text(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
    await server.close();
    expect(await ended.catch(() => '')).toBe('');
  });

  it('names the field of the configuration when the port is taken', async () => {
    const fault = await faultOf(start(server.port));
    expect([fault.reason, fault.where]).toEqual(['SpecInvalid', 'config.http.port']);
  });
});
