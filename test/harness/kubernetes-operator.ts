import type { ChildProcess } from 'node:child_process';
import { kindNames } from '../../src/api/names.ts';
import type { SettledCluster } from './cluster/cluster.ts';
import { kubectl, kubectlApply } from './cluster/kubectl.ts';
import { spawnOperator } from './cluster/operator-process.ts';
import { installRelease, uninstallRelease } from './helm.ts';
import { readManifests } from './kubernetes-shop.ts';
import { Stops } from './stops.ts';

const release = 'backstay';
const systemNamespace = 'backstay-system';
const podLabels = 'app.kubernetes.io/name=backstay,app.kubernetes.io/component=operator';

/** The kinds, and no operator in the cluster: a suite brings one of its own, or writes the statuses itself. */
export async function kindsOnly(cluster: SettledCluster): Promise<void> {
  await uninstallRelease({ name: release, namespace: systemNamespace, cluster });
  const files = Object.values(kindNames).flatMap(({ plural }) => readManifests(`crds/backstay.dev_${plural}.yaml`));
  // As if the chart had made them: `helm install` refuses what is there and is not its own.
  const labels = { 'app.kubernetes.io/managed-by': 'Helm' };
  const annotations = { 'meta.helm.sh/release-name': release, 'meta.helm.sh/release-namespace': systemNamespace };
  const crds = files.map((crd) => ({ ...crd, metadata: { ...crd.metadata, labels, annotations } }));
  await kubectlApply(crds, cluster);
  const names = crds.map(({ metadata }) => `crd/${metadata.name}`);
  await kubectl(['wait', '--for=condition=Established', '--timeout=30s', ...names], { cluster });
}

/** The chart with its default values, as a user installs it; waits until the operator is ready to work. */
export async function installOperator(cluster: SettledCluster): Promise<void> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await kubectlApply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: systemNamespace, labels } }], cluster);
  // The image of this machine's cluster keeps its name when the sources change: only new pods run what is in it now.
  const values = { podAnnotations: { 'backstay.dev/installed-at': new Date().toISOString() } };
  await installRelease({ name: release, namespace: systemNamespace, cluster }, { values });
}

/** Waits until the operator's pods are there and ready. */
export async function operatorReady(cluster: SettledCluster): Promise<void> {
  await system(cluster, 'rollout', 'status', 'deployment/backstay', '--timeout=120s');
}

/** The name of the operator's pod that is not on its way out. */
export async function operatorPod(cluster: SettledCluster): Promise<{ namespace: string; pod: string }> {
  const { items } = JSON.parse(await system(cluster, 'get', 'pods', '-l', podLabels, '-o', 'json')) as {
    items: { metadata: { name: string; deletionTimestamp?: string } }[];
  };
  const pod = items.find(({ metadata }) => metadata.deletionTimestamp === undefined)?.metadata.name;
  if (pod === undefined) throw new Error('there is no pod of the operator');
  return { namespace: systemNamespace, pod };
}

/** Everything that the operator's pod has logged. */
export function operatorLog(cluster: SettledCluster): Promise<string> {
  return system(cluster, 'logs', '-l', podLabels, '--tail=-1');
}

const system = (cluster: SettledCluster, ...args: string[]): Promise<string> =>
  kubectl(['-n', systemNamespace, ...args], { cluster });

/** An object and a step of its table: `shop/nightly` and `write-intent`. */
export interface StepOfObject {
  object: string;
  step: string;
}

/**
 * Runs the operator as a process of this machine against the cluster's API, and has it die with -9 exactly where it
 * begins each of these steps of these objects, one death a start. Answers the process that came after the last death;
 * throws when one does not come within `timeoutMs`. There must be no other operator in the cluster.
 */
export async function dieAtEach(
  cluster: SettledCluster,
  deaths: readonly StepOfObject[],
  settings: object,
  timeoutMs: number,
): Promise<LocalOperator> {
  const untilMs = Date.now() + timeoutMs;
  const stops = new Stops();
  try {
    for (const { step, object } of deaths) stops.set([`"step":"${step}"`, `"object":"${object}"`], 'die');
    for (const _ of deaths) await new LocalOperator(cluster, stops.nodeOptions, settings).death(untilMs - Date.now());
  } finally {
    stops.remove();
  }
  return new LocalOperator(cluster, [], settings);
}

/** The operator as a process of this machine. `settings` are those of its configuration file. */
export class LocalOperator {
  readonly #child: ChildProcess;
  #log = '';
  #isAsked = false;

  constructor(cluster: SettledCluster, nodeOptions: readonly string[], settings: object = {}) {
    const context = cluster.context === undefined ? [] : ['--context', cluster.context];
    this.#child = spawnOperator(
      ['--kubeconfig', cluster.kubeconfigPath, ...context],
      { logLevel: 'debug', ...settings },
      { nodeOptions, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const take = (chunk: Buffer): void => {
      this.#log = (this.#log + chunk.toString()).slice(-4_000);
    };
    this.#child.stdout?.on('data', take);
    this.#child.stderr?.on('data', take);
    this.#child.once('close', (code, signal) => {
      // A test that waits for what this operator was to do should not have to guess.
      if (!this.#isAsked && signal !== 'SIGKILL') process.stderr.write(`the operator ended (${code}):\n${this.#log}\n`);
    });
  }

  /** Resolves when it has died with -9; throws when it lives longer, or ends in another way. */
  death(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (what: string): void => reject(new Error(`the operator ${what}:\n${this.#log}`));
      const timer = setTimeout(() => {
        this.#child.kill('SIGKILL');
        fail('did not come to the next step at which it was to die');
      }, timeoutMs);
      this.#child.once('close', (code, signal) => {
        clearTimeout(timer);
        if (signal === 'SIGKILL') resolve();
        else fail(`ended with ${signal ?? code}`);
      });
    });
  }

  /** What it has said lately. */
  get log(): string {
    return this.#log;
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** It stands still, and goes on: SIGSTOP and SIGCONT. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    this.#isAsked = true;
    if (!this.isAlive) return;
    const gone = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill(signal);
    await gone;
  }
}
