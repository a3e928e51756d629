import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { scheduleLabel } from '../../../src/api/names.ts';
import { createIntervalOf } from '../../../src/api/schedule-interval.ts';
import { timestamp } from '../../../src/base/clock.ts';
import type { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import type { KubernetesObjects } from '../../../src/cluster/kubernetes/objects.ts';
import { exposition } from '../../../src/operator/metrics/exposition.ts';
import { objectFamilies } from '../../../src/operator/metrics/object-families.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { checkoutDir } from '../../harness/cluster/paths.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { promtoolProgram } from '../../harness/promtool.ts';
import { clientOf, freshNamespace, installKinds, objectsOf } from './kubernetes-client.ts';
import { sampleDraft } from './samples.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;
const hourMs = 3_600_000;
const waitMs = 60_000;
const testMs = 4 * waitMs;

describe('the metrics of an operator at a real API server', () => {
  let server: ApiServer;
  let client: ApiClient;
  let objects: KubernetesObjects;
  let namespace: string;
  let promtool: string;
  const directory = mkdtempSync(join(tmpdir(), 'backstay-metrics-'));
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    server = await apiServer({ tell: tellOnStderr });
    promtool = await promtoolProgram(tellOnStderr);
    client = clientOf(server.kubeconfigPath);
    objects = objectsOf(client);
    await installKinds(client);
    namespace = await freshNamespace(client);
    await makeHistory();
  }, coldMs);
  afterEach(async () => {
    for (const child of running.splice(0)) await end(child, 'SIGKILL');
  });
  afterAll(async () => {
    client?.close();
    await server?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** One policy that is suspended, so that nothing starts; one good run, then two that failed; a restore that went well. */
  async function makeHistory(): Promise<void> {
    const nowMs = Date.now();
    const at = (hoursAgo: number): string => timestamp(nowMs - hoursAgo * hourMs);
    const policy = sampleDraft('BackupPolicy', namespace, 'shop');
    const schedule = { name: 'nightly', cron: '0 2 * * 1-5', method: 'Dump', dump: { databases: ['shop'] } };
    const stores = [{ name: 'near', filesystem: { claimName: 'backups' } }];
    const toolImages = { dump: 'docker.io/library/postgres:17' };
    await objects.create({
      ...policy,
      spec: { ...(policy.spec as object), stores, toolImages, suspend: true, schedules: [schedule] },
    });
    const ends = [
      ['r1', 30, { phase: 'Succeeded', set: setOf(at(30)) }],
      ['r2', 20, { phase: 'Failed', failure: { reason: 'ToolFailed', message: 'x', hint: 'y' } }],
      ['r3', 10, { phase: 'Failed', failure: { reason: 'ToolFailed', message: 'x', hint: 'y' } }],
    ] as const;
    for (const [name, hoursAgo, status] of ends) {
      const run = await objects.create(
        sampleDraft('BackupRun', namespace, name, { labels: { [scheduleLabel]: 'nightly' } }),
      );
      await objects.replaceStatus(run, { startedAt: at(hoursAgo), completedAt: at(hoursAgo - 1), ...status });
    }
    const request = await objects.create(sampleDraft('RestoreRequest', namespace, 'back'));
    await objects.replaceStatus(request, { phase: 'Succeeded', startedAt: at(5), completedAt: at(4) });
  }

  /** Answers the port of its probes, once it is ready; throws what it said when it ends before. */
  async function startOperator(): Promise<{ child: ChildProcess; port: number }> {
    const config = join(directory, 'config.yaml');
    writeFileSync(config, JSON.stringify({ image: 'backstay:dev', http: { port: 0 } }));
    const main = join(checkoutDir, 'src/main.ts');
    const args = [main, 'operator', '--kubeconfig', server.kubeconfigPath, '--config', config];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    running.push(child);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (said += chunk));
    let over = false;
    child.once('close', () => {
      over = true;
    });
    const port = await eventually(async () => {
      if (over) return undefined;
      const found = Number(/"port":(\d+)/.exec(said)?.[1]);
      expect((await get(found, '/readyz')).status).toBe(200);
      return found;
    }, waitMs);
    if (port === undefined) throw new Error(`the operator ended:\n${said}`);
    return { child, port };
  }

  async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill(signal);
    await gone;
  }

  const get = async (port: number, path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, text: await response.text() };
  };

  /** What objects say, without what grows with every second. */
  const ofObjects = (text: string): string[] =>
    text
      .split('\n')
      .filter((line) => /^backstay_(policy|schedule|runs|run|restore)[_{]/.test(line))
      .filter((line) => !/^backstay_(policy_rpo|\w+_active)_seconds/.test(line));

  async function expected(): Promise<string[]> {
    const [policies = [], runs = [], requests = []] = await Promise.all(
      (['BackupPolicy', 'BackupRun', 'RestoreRequest'] as const).map((kind) => objects.list(kind)),
    );
    return ofObjects(exposition(objectFamilies({ policies, runs, requests }, createIntervalOf(), Date.now())));
  }

  it(
    'are what the objects say, are valid, and are the same after the operator was killed',
    async () => {
      const first = await startOperator();
      const lines = await eventually(async () => {
        const { text } = await get(first.port, '/metrics');
        expect(ofObjects(text)).toEqual(await expected());
        const P = `{namespace="${namespace}",policy="shop"}`;
        expect(text).toContain(`backstay_policy_consecutive_failures${P} 2\n`);
        expect(text).toContain(`backstay_policy_suspended${P} 1\n`);
        expect(text).toContain('schedule="nightly"} 259200\n');
        expect(text).toMatch(/^backstay_policy_condition\{.*type="Ready",status="True",reason="Suspended"\} 1$/m);
        expect(text).toContain('outcome="Failed"} 3600\n');
        expect(text).toMatch(/^backstay_api_requests_total\{method="GET",code="200"\} [1-9]/m);
        expect(text).toMatch(/^backstay_reconcile_total\{kind="BackupPolicy",outcome="done"\} [1-9]/m);
        const rpo = Number(/^backstay_policy_rpo_seconds\{.*\} (.*)$/m.exec(text)?.[1]);
        expect(Math.floor(rpo / 3600)).toBe(30);
        return ofObjects(text);
      }, waitMs);
      const { text } = await get(first.port, '/metrics');
      const judged = spawnSync(promtool, ['check', 'metrics'], { input: text, encoding: 'utf8' });
      expect([judged.status, `${judged.stdout}${judged.stderr}`]).toEqual([0, '']);
      expect((await get(first.port, '/healthz')).status).toBe(200);
      await end(first.child, 'SIGKILL');

      const second = await startOperator();
      await eventually(async () => expect(ofObjects((await get(second.port, '/metrics')).text)).toEqual(lines), waitMs);
      await end(second.child, 'SIGTERM');
      expect(second.child.exitCode).toBe(0);
    },
    testMs,
  );

  it(
    'count the watches that an API server broke which went away, and the operator stays ready',
    async () => {
      const { port } = await startOperator();
      await server.restartApiServer();
      await eventually(async () => {
        const { text } = await get(port, '/metrics');
        expect(text).toMatch(/^backstay_watch_restarts_total\{resource="backupruns"\} [1-9]/m);
      }, waitMs);
      // Watches that had not begun when the server went list for the first time when it is back.
      await eventually(async () => expect((await get(port, '/readyz')).status).toBe(200), waitMs);
    },
    testMs,
  );
});

function setOf(consistentAt: string) {
  const words = [
    'store',
    'runUid',
    'attempt',
    'lineage',
    'manifestKey',
    'manifestSha256',
    'position',
    'serverVersion',
    'toolVersion',
  ];
  const counts = ['objectCount', 'tableCount', 'rowCount'];
  return {
    ...Object.fromEntries(words.map((word) => [word, 'x'])),
    ...Object.fromEntries(counts.map((word) => [word, 1])),
    consistentAt,
    plainBytes: 4_000,
    storedBytes: 1_000,
  };
}
