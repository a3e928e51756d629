import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { goProgram, kubernetesVersion } from './cluster/go-programs.ts';
import { cacheDir, checkoutDir } from './cluster/paths.ts';
import { run } from './cluster/run.ts';
import type { SettledCluster } from './cluster/settled.ts';
import { silent, type Tell } from './cluster/story.ts';
import type { Manifest } from './kubernetes-shop.ts';

/** The chart of this checkout. */
export const chart = join(checkoutDir, 'charts', 'backstay');

export interface Release {
  name: string;
  namespace: string;
  cluster: Pick<SettledCluster, 'kubeconfigPath' | 'context'>;
}

/** Runs a helm of the harness' own, with no setting, plugin or repository of this user, and answers its stdout. */
export async function helm(
  args: readonly string[],
  { values = {}, tell = silent }: { values?: object; tell?: Tell } = {},
) {
  const home = join(cacheDir, 'helm');
  const env = { HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home };
  return run(await goProgram(tell, 'helm'), args, { env, input: JSON.stringify(values) });
}

/** The objects of the chart with these values, hooks among them, as a cluster of the version under test would get them. */
export async function renderChart(
  values: object = {},
  { name = 'backstay', namespace = 'backstay-system' }: Partial<Release> = {},
): Promise<Manifest[]> {
  const version = ['--kube-version', await kubernetesVersion()];
  const text = await helm(['template', name, chart, '--namespace', namespace, ...version, '--values', '-'], { values });
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest)
    .filter((value) => value !== null);
}

/**
 * `helm upgrade --install`: makes the release, or brings it to this chart and these values (all of them: nothing of the
 * release before stays). Kinds that somebody applied before become those of the release. Waits for what runs unless
 * `wait` is false.
 */
export function installRelease(
  release: Release,
  { values = {}, from = chart, wait = true }: { values?: object; from?: string; wait?: boolean } = {},
): Promise<string> {
  const waits = wait ? ['--wait', '--timeout', '180s'] : [];
  return helm(
    ['upgrade', '--install', release.name, from, ...into(release), '--take-ownership', ...waits, '--values', '-'],
    { values },
  );
}

/** Back to the revision before, or to this one. */
export function rollBackRelease(release: Release, revision = 0, { wait = true } = {}): Promise<string> {
  const waits = wait ? ['--wait', '--timeout', '180s'] : [];
  return helm(['rollback', release.name, `${revision}`, ...into(release), ...waits]);
}

/** `helm test`; answers what it printed. Throws when the test fails; its pod is there then, and its log says why. */
export function testRelease(release: Release): Promise<string> {
  return helm(['test', release.name, ...into(release), '--timeout', '300s']);
}

/** Safe to repeat. The kinds stay, as the chart's defaults have it. */
export function uninstallRelease(release: Release, { wait = true } = {}): Promise<string> {
  const waits = wait ? ['--wait', '--timeout', '120s'] : [];
  return helm(['uninstall', release.name, ...into(release), '--ignore-not-found', ...waits]);
}

function into({ namespace, cluster }: Release): string[] {
  const context = cluster.context === undefined ? [] : ['--kube-context', cluster.context];
  return ['--namespace', namespace, '--kubeconfig', cluster.kubeconfigPath, ...context];
}
