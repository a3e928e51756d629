// argv -> command line | standalone | operator | agent. The only reader of process.env and process.argv; wires everything.
// Each role loads its own half only: the agent's pod must not pay for the Kubernetes client.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { systemClock } from './base/clock.ts';
import { createLogger, type Logger } from './base/log.ts';
import { exitCodes } from './cli/exit-codes.ts';
import { runCommandLine } from './cli/program.ts';
import type { OperatorOptions } from './cli/surroundings.ts';
import type { Objects } from './cluster/objects.ts';
import { type Kind, kinds } from './cluster/resource.ts';
import type { Runner } from './cluster/runner.ts';
import type { OperatorOptions as ControllerOptions } from './operator/operator.ts';
import { version } from './version.ts';

const clock = systemClock;
const random = Math.random;
// What `helm upgrade` has just installed is published by the API server a little later.
const kindsPatienceMs = 15_000;

process.exitCode = await runCommandLine(process.argv.slice(2), {
  version,
  clock,
  random,
  // Set by the scripts in bin/: what a person is told to type next must be what they can type.
  calledAs: process.env['BACKSTAY_CALLED_AS'] ?? 'backstay',
  columns: process.stderr.isTTY ? () => process.stderr.columns : undefined,
  defaultHome: process.env['BACKSTAY_HOME'],
  print: (text) => process.stdout.write(text),
  printError: (text) => process.stderr.write(text),
  stopSignal,
  openHome: async (directory) => {
    const { home, objects, admit } = await openStandaloneHome(directory, createLogger('silent', process.stderr));
    const { homePlace } = await import('./cli/home-place.ts');
    return homePlace(home, objects, admit);
  },
  openCluster: async (options) => {
    const { openCluster } = await import('./cli/cluster-place.ts');
    const environment = {
      kubeconfig: process.env['KUBECONFIG'],
      userHome: process.env['HOME'],
      isPod: process.env['KUBERNETES_SERVICE_HOST'] !== undefined,
    };
    return openCluster({ ...options, clock, random, log: createLogger('silent', process.stderr), environment });
  },
  generateKey: async () => {
    const { generateIdentity } = await import('./stream/identity.ts');
    const identity = await generateIdentity();
    return { identity: identity.reveal(), recipient: identity.recipient };
  },
  runStandalone,
  runOperator,
  runAgent: async ({ root }) => {
    const { runAgent } = await import('./agent/agent.ts');
    return runAgent({
      root,
      version,
      clock,
      log: createLogger('info', process.stderr),
      signal: stopSignal(),
      parentPid: () => process.ppid,
    });
  },
});

async function openStandaloneHome(directory: string, log: Logger) {
  const { openHome } = await import('./cluster/standalone/home.ts');
  const { createObjects } = await import('./cluster/standalone/objects.ts');
  const { admit } = await import('./api/admit.ts');
  const home = await openHome(directory, clock);
  return { home, admit, objects: createObjects({ home, admit, clock, log }) };
}

async function runStandalone(options: { home: string; tools?: string; logLevel: string }): Promise<number> {
  const log = createLogger(options.logLevel, process.stdout);
  const { home, objects } = await openStandaloneHome(options.home, log);
  const { becomeOperator } = await import('./cluster/standalone/home.ts');
  const { createRunner } = await import('./cluster/standalone/runner.ts');
  const place = becomeOperator(home);
  try {
    const runner = createRunner({
      home,
      clock,
      log,
      agentCommand: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
      path: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
      ...(options.tools === undefined ? {} : { toolsDirectory: options.tools }),
      ownerExists: async ({ kind, name, uid }, namespace) =>
        (await objects.get(kind as Kind, { namespace, name }))?.metadata.uid === uid,
    });
    return await operate(objects, runner, 'standalone', log, stopSignal());
  } finally {
    place.release();
    home.close();
  }
}

async function runOperator(options: OperatorOptions): Promise<number> {
  keepHeapSmall();
  const { kubeconfig, context, config } = options;
  const log = createLogger(config.logLevel, process.stdout);
  const { connectByKubeconfig, connectInCluster } = await import('./cluster/kubernetes/connect.ts');
  const { ApiClient } = await import('./cluster/kubernetes/http.ts');
  const { CachedObjects } = await import('./cluster/kubernetes/cached-objects.ts');
  const { KubernetesRunner } = await import('./cluster/kubernetes/runner.ts');
  const { podDefaults } = await import('./cluster/kubernetes/job.ts');
  const { awaitServedKinds } = await import('./cluster/kubernetes/served-kinds.ts');
  const connection =
    kubeconfig === undefined
      ? connectInCluster()
      : connectByKubeconfig({ path: kubeconfig, ...(context === undefined ? {} : { context }) });
  const { ProcessMetrics } = await import('./operator/metrics/process-metrics.ts');
  const { observe } = await import('./operator/observe.ts');
  const { parseDurationMs } = await import('./base/duration.ts');
  const metrics = new ProcessMetrics(version, () => clock.monotonicMs());
  const client = new ApiClient(connection, clock, undefined, metrics);
  const instance = process.env['HOSTNAME'] ?? 'operator';
  const stop = stopSignal();
  const { namespaces, leaderElection } = config;
  const { electionOf, whileLeading } = await import('./cluster/kubernetes/election.ts');
  // A connection of its own: no crowd of other requests may keep a renewal waiting.
  const leaseClient = new ApiClient(connection, clock, undefined, metrics);
  const election = electionOf(leaderElection, { client: leaseClient, clock, random, log, instance });
  const home = { namespace: leaderElection.namespace, ...(election && { lease: leaderElection.name }) };
  const objects = new CachedObjects({ client, clock, random, log, instance, namespaces, home }, stop);
  const { KubernetesWorkloads } = await import('./cluster/kubernetes/workloads.ts');
  const { timingsOf } = await import('./operator/timings.ts');
  const { limitsOf } = await import('./operator/turn/limits.ts');
  const { allowedImages, ...jobs } = config.jobs;
  const timings = timingsOf(config);
  const { grace, unconfirmed, keepFinished } = config.timings;
  const pod = {
    ...podDefaults,
    ...jobs,
    image: config.image,
    gracePeriodSeconds: parseDurationMs(grace) / 1000,
    keepFinishedSeconds: parseDurationMs(keepFinished) / 1000,
  };
  const { progressMs } = timings;
  const unconfirmedMs = parseDurationMs(unconfirmed);
  const runner = new KubernetesRunner({ client, clock, random, log, pod, namespaces, progressMs, unconfirmedMs });
  const workloads = new KubernetesWorkloads(client);
  const state = { kindsServed: false, leading: false };
  const { port, silenceLimit } = config.http;
  const silenceLimitMs = parseDurationMs(silenceLimit);
  const http = await observe({ port, state, metrics, objects, clock, log, silenceLimitMs });
  try {
    log.info({ port: http.port }, 'probes and metrics are served');
    await awaitServedKinds({ client, clock, log, patienceMs: kindsPatienceMs, signal: stop });
    if (stop.aborted) return exitCodes.done;
    state.kindsServed = true;
    const limits = limitsOf(config);
    const given = { timings, limits, instruments: metrics, namespaces, workloads, allowedImages };
    endWithin(parseDurationMs(config.timings.shutdown), stop, log);
    await whileLeading(election, client, stop, endAtOnce(log), async (signal) => {
      state.leading = true;
      void Promise.all(kinds.map((kind) => objects.list(kind))).then(collectGarbage, () => undefined);
      await operate(objects, runner, 'kubernetes', log, signal, given);
      state.leading = false;
    });
    return exitCodes.done;
  } finally {
    await http.close();
    client.close();
    leaseClient.close();
  }
}

async function operate(
  objects: Objects,
  runner: Runner,
  mode: 'kubernetes' | 'standalone',
  log: Logger,
  stop: AbortSignal,
  given: Pick<
    ControllerOptions,
    'timings' | 'limits' | 'instruments' | 'namespaces' | 'workloads' | 'allowedImages'
  > = {},
): Promise<number> {
  const { runControllers } = await import('./operator/operator.ts');
  log.info({ mode, version }, 'ready');
  await runControllers({ objects, runner, clock, random, log, mode, ...given }, stop);
  log.info('stopped');
  return exitCodes.done;
}

/** V8 lets garbage grow to several times of what is in use before it collects it; an operator is there all day. */
function keepHeapSmall(): void {
  setFlagsFromString('--heap-growing-percent=30');
  setFlagsFromString('--expose-gc');
}

/** Once, after the first lists: they leave more than they are, and a process that rests would never collect it. */
function collectGarbage(): void {
  // "last-resort" also moves what is left together, so that the pages between can be given back.
  (runInNewContext('gc') as (how: object) => void)({ type: 'major', flavor: 'last-resort' });
}

/** For a lost lease: another process works from now on, so nothing here may go on, not even to tidy up. */
function endAtOnce(log: Logger): (why: Error) => void {
  return (why) => {
    log.fatal({ err: why }, 'the lease is lost');
    process.exit(exitCodes.failed);
  };
}

/** A reconcile that hangs must not keep a stopped process until somebody kills it. */
function endWithin(ms: number, stop: AbortSignal, log: Logger): void {
  const end = (): void => {
    log.error({ seconds: ms / 1000 }, 'what was running did not end in time');
    process.exit(exitCodes.failed);
  };
  stop.addEventListener('abort', () => clock.after(ms, end, { holdsProcess: false }), { once: true });
}

/** Aborted by the first TERM or INT: what runs ends at a point from which the next start goes on. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}
