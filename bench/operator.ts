// `npm run bench:operator`: an operator over many policies with a history, as a process of its own against a real API
// server (etcd and kube-apiserver). Nothing here gates a test.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/base/clock.ts';
import { parseDurationMs } from '../src/base/duration.ts';
import { createLogger } from '../src/base/log.ts';
import { connectByKubeconfig } from '../src/cluster/kubernetes/connect.ts';
import { ApiClient } from '../src/cluster/kubernetes/http.ts';
import { KubernetesObjects } from '../src/cluster/kubernetes/objects.ts';
import { objectPath } from '../src/cluster/kubernetes/paths.ts';
import type { Resource } from '../src/cluster/resource.ts';
import { apiServer } from '../test/harness/cluster/api-server.ts';
import { OperatorProcess } from '../test/harness/cluster/operator-process.ts';
import { tellOnStderr } from '../test/harness/cluster/story.ts';
import { makeHistory } from '../test/harness/finished-runs.ts';
import { freshNamespace, installKinds } from '../test/integration/cluster/kubernetes-client.ts';

const { values } = parseArgs({
  options: {
    policies: { type: 'string', multiple: true, default: ['200', '2000'] },
    'runs-per-policy': { type: 'string', default: '5' },
    changes: { type: 'string', default: '300' },
    idle: { type: 'string', default: '1m' },
    json: { type: 'string' },
  },
});
const runsPerPolicy = Number(values['runs-per-policy']);
const changes = Number(values.changes);
const idleMs = parseDurationMs(values.idle);

interface Measured {
  policies: number;
  runs: number;
  /** From the start of the process to the last object looked at, when nothing has to be written. */
  coldStartSeconds: number;
  /** The same when every object still needs its status: the first start ever. */
  firstStartSeconds: number;
  coldStartCpuSeconds: number;
  rssMb: number;
  peakRssMb: number;
  idleRequestsPerSecond: number;
  idleCpuPercent: number;
  changeP50Ms: number;
  changeP99Ms: number;
  changeCpuMs: number;
}

const all: Measured[] = [];
for (const policies of values.policies.map(Number)) all.push(await measure(policies));
report();
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(all, null, 2));

async function measure(policies: number): Promise<Measured> {
  const server = await apiServer({ tell: tellOnStderr });
  const client = new ApiClient(connectByKubeconfig({ path: server.kubeconfigPath }), systemClock);
  try {
    await installKinds(client);
    const namespaces: string[] = [];
    for (let count = 0; count < Math.max(1, policies / 20); count++) namespaces.push(await freshNamespace(client));
    await makeHistory(client, { namespaces, policies, runsPerPolicy });
    const objectCount = policies * (1 + runsPerPolicy);

    const first = await start(server.kubeconfigPath, objectCount);
    const firstStartSeconds = first.seconds;
    await first.stop();

    const operator = await start(server.kubeconfigPath, objectCount);
    const coldStartCpuSeconds = operator.cpuSeconds();
    // Timers of the start, such as pauses of collectors, are not part of the rest.
    await pause(15_000);
    const before = { requests: await operator.requests(), cpu: operator.cpuSeconds() };
    await pause(idleMs);
    const after = { requests: await operator.requests(), cpu: operator.cpuSeconds() };
    const rssMb = operator.memoryMb('VmRSS');

    const latencies = await changeAndWait(client);
    const changeCpuMs = ((operator.cpuSeconds() - after.cpu) * 1000) / changes;
    const peakRssMb = operator.memoryMb('VmHWM');
    await operator.stop();
    return {
      policies,
      runs: policies * runsPerPolicy,
      firstStartSeconds,
      coldStartSeconds: operator.seconds,
      coldStartCpuSeconds,
      rssMb,
      peakRssMb,
      idleRequestsPerSecond: (after.requests - before.requests) / (idleMs / 1000),
      idleCpuPercent: ((after.cpu - before.cpu) / (idleMs / 1000)) * 100,
      changeP50Ms: quantile(latencies, 0.5),
      changeP99Ms: quantile(latencies, 0.99),
      changeCpuMs,
    };
  } finally {
    client.close();
    await server.stop();
  }
}

/** An operator with leader election, as the chart runs it; resolves when it has looked at every object. */
async function start(kubeconfigPath: string, objectCount: number) {
  const startedMs = performance.now();
  const leaderElection = { enabled: true, namespace: 'default' };
  const operator = new OperatorProcess(kubeconfigPath, 'bench', { leaderElection });
  await operator.says('ready', 120_000);
  const port = operator.log.find(({ msg }) => msg === 'probes and metrics are served')?.['port'];
  const sum = async (family: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(`${family}{`) || line.startsWith(`${family} `));
    return lines.reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  };
  // The text is made anew once a second at most, so that is how exact the time is.
  while ((await sum('backstay_reconcile_total')) < objectCount || (await sum('backstay_queue_depth')) > 0) {
    await pause(500);
  }
  const field = (file: string): string => readFileSync(`/proc/${operator.pid}/${file}`, 'utf8');
  return {
    seconds: (performance.now() - startedMs) / 1000,
    requests: () => sum('backstay_api_requests_total'),
    memoryMb: (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(field('status'))?.[1]) / 1024,
    cpuSeconds(): number {
      // Fields 14 and 15 of proc(5), in ticks of a hundredth; the second field may hold blanks.
      const [, after = ''] = field('stat').split(') ');
      const fields = after.split(' ');
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    async stop(): Promise<void> {
      operator.signal('SIGTERM');
      const { code } = await operator.ended;
      if (code !== 0) throw new Error(`the operator ended with ${code}`);
    },
  };
}

/** Suspends policies one after the other; each time until the status that says so has come back by a watch. */
async function changeAndWait(client: ApiClient): Promise<number[]> {
  const log = createLogger('silent', process.stderr);
  const objects = new KubernetesObjects({ client, clock: systemClock, random: Math.random, log, instance: 'bench' });
  const stop = new AbortController();
  const waiting = new Map<string, (policy: Resource) => void>();
  const policies = await objects.list('BackupPolicy');
  await objects.watch('BackupPolicy', ({ object }) => waiting.get(object.metadata.uid)?.(object), stop.signal);
  const latencies: number[] = [];
  for (let at = 0; at < changes; at++) {
    const { kind, metadata } = policies[at % policies.length] as Resource;
    const suspend = Math.floor(at / policies.length) % 2 === 0;
    const told = new Promise<void>((resolve) =>
      waiting.set(metadata.uid, ({ metadata: { generation }, spec, status }) => {
        const { observedGeneration } = (status ?? {}) as { observedGeneration?: number };
        if (observedGeneration === generation && (spec as { suspend?: boolean }).suspend === suspend) resolve();
      }),
    );
    await client.json({ method: 'PATCH', path: objectPath(kind, metadata), body: { spec: { suspend } } });
    const changedMs = performance.now();
    await told;
    latencies.push(performance.now() - changedMs);
    waiting.delete(metadata.uid);
  }
  stop.abort();
  return latencies;
}

function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function report(): void {
  const rows: [string, (one: Measured) => number, number][] = [
    ['first start ever, every status written, s', (one) => one.firstStartSeconds, 1],
    ['cold start to all looked at, s', (one) => one.coldStartSeconds, 1],
    ['processor time of that, s', (one) => one.coldStartCpuSeconds, 1],
    ['RSS at rest, MiB', (one) => one.rssMb, 0],
    ['peak RSS, MiB', (one) => one.peakRssMb, 0],
    ['API requests per second at rest', (one) => one.idleRequestsPerSecond, 2],
    ['processor at rest, % of a core', (one) => one.idleCpuPercent, 1],
    ['from a change to its status, p50, ms', (one) => one.changeP50Ms, 1],
    ['from a change to its status, p99, ms', (one) => one.changeP99Ms, 1],
    ['processor time for a change, ms', (one) => one.changeCpuMs, 1],
  ];
  const head = all.map(({ policies, runs }) => `${policies} policies, ${runs} runs`);
  console.log(`| | ${head.join(' | ')} |\n|---|${head.map(() => '---').join('|')}|`);
  for (const [name, value, digits] of rows) {
    console.log(`| ${name} | ${all.map((one) => value(one).toFixed(digits)).join(' | ')} |`);
  }
}
