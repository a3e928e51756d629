// argv -> command line | standalone | operator | agent. The only reader of process.env and process.argv; wires everything.
// Each role loads its own half only: the agent's pod must not pay for the Kubernetes client.
import { systemClock } from './base/clock.ts';
import { createLogger, type Logger } from './base/log.ts';
import { exitCodes } from './cli/exit-codes.ts';
import { runCommandLine } from './cli/program.ts';
import type { OperatorOptions } from './cli/surroundings.ts';
import type { Objects } from './cluster/objects.ts';
import type { Kind } from './cluster/resource.ts';
import type { Runner } from './cluster/runner.ts';
import type { Timings } from './operator/timings.ts';
import { version } from './version.ts';

const clock = systemClock;
const random = Math.random;

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
    return await operate(objects, runner, 'standalone', log);
  } finally {
    place.release();
    home.close();
  }
}

async function runOperator(options: OperatorOptions): Promise<number> {
  const { kubeconfig, context, config } = options;
  const log = createLogger(config.logLevel, process.stdout);
  const { connectByKubeconfig, connectInCluster } = await import('./cluster/kubernetes/connect.ts');
  const { ApiClient } = await import('./cluster/kubernetes/http.ts');
  const { KubernetesObjects } = await import('./cluster/kubernetes/objects.ts');
  const { KubernetesRunner } = await import('./cluster/kubernetes/runner.ts');
  const { podDefaults } = await import('./cluster/kubernetes/job.ts');
  const { checkServedKinds } = await import('./cluster/kubernetes/served-kinds.ts');
  const connection =
    kubeconfig === undefined
      ? connectInCluster()
      : connectByKubeconfig({ path: kubeconfig, ...(context === undefined ? {} : { context }) });
  const client = new ApiClient(connection, clock);
  await checkServedKinds(client);
  const instance = process.env['HOSTNAME'] ?? 'operator';
  const objects = new KubernetesObjects({ client, clock, random, log, instance });
  const runner = new KubernetesRunner({ client, clock, random, log, pod: { ...podDefaults, image: config.image } });
  const { timingsOf } = await import('./operator/timings.ts');
  return operate(objects, runner, 'kubernetes', log, timingsOf(config));
}

async function operate(
  objects: Objects,
  runner: Runner,
  mode: 'kubernetes' | 'standalone',
  log: Logger,
  timings?: Timings,
): Promise<number> {
  const { runControllers } = await import('./operator/operator.ts');
  log.info({ mode, version }, 'ready');
  await runControllers({ objects, runner, clock, random, log, mode, ...(timings && { timings }) }, stopSignal());
  log.info('stopped');
  return exitCodes.done;
}

/** Aborted by the first TERM or INT: what runs ends at a point from which the next start goes on. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}
