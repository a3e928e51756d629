import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { takeDownOneMachine } from './down.ts';
import { kubernetesPrograms } from './go-programs.ts';
import { bringUpKind, kindKubeconfig, takeDownKind, whyNoKind } from './kind.ts';
import { kubectl } from './kubectl.ts';
import { files } from './layout.ts';
import { withLock } from './lock.ts';
import { bringUpOneMachine, oneMachineState } from './one-machine.ts';
import { cacheDir, settledFile } from './paths.ts';
import { type SettledCluster, settledCluster } from './settled.ts';
import { type Tell, timed } from './story.ts';
import { Unavailable } from './unavailable.ts';
import { whyNoOneMachineCluster } from './why-not-here.ts';

export type { SettledCluster };

export interface UpOptions {
  /** A kubeconfig of a cluster that is there already: nothing but this one is then used or touched. */
  kubeconfig?: string;
  context?: string;
  tell: Tell;
}

/**
 * Settles on a cluster and brings it up: the one that the user names, else kind where Docker runs, else the one-machine
 * cluster. Tells which and why not the others. Quick when it is up already. Throws Unavailable, with every reason, when
 * this machine can run none.
 */
export function bringUpCluster(options: UpOptions): Promise<SettledCluster> {
  return withLock(join(cacheDir, 'cluster.lock'), async () => {
    const settled = await settle(options);
    await mkdir(cacheDir, { recursive: true });
    await writeFile(`${settledFile}.part`, JSON.stringify(settled, null, 2));
    await rename(`${settledFile}.part`, settledFile);
    return settled;
  });
}

/** Ends what `bringUpCluster` started and forgets it; a cluster named by the user is only forgotten. Safe to run twice. */
export function takeDownCluster(tell: Tell): Promise<void> {
  return withLock(join(cacheDir, 'cluster.lock'), async () => {
    const settled = settledCluster();
    if (settled?.way === 'kind') await takeDownKind(tell);
    // Even when another way was settled on: an `up` that broke off leaves its half behind.
    if (process.getuid?.() === 0 && process.platform === 'linux') await takeDownOneMachine(tell);
    await rm(settledFile, { force: true });
  });
}

/** One line on the cluster, and whether it can be used now. */
export async function clusterStatus(): Promise<{ usable: boolean; line: string }> {
  const settled = settledCluster();
  if (settled === undefined) return { usable: false, line: 'no cluster: run `npm run cluster -- up`' };
  const line = `${settled.way}: ${settled.kubeconfigPath}${settled.context ? `, context ${settled.context}` : ''}`;
  if (settled.way !== 'one machine') return { usable: true, line };
  const found = await oneMachineState();
  return found.state === 'up'
    ? { usable: true, line }
    : { usable: false, line: `${line}: ${found.state}, ${found.why}` };
}

async function settle({ kubeconfig, context, tell }: UpOptions): Promise<SettledCluster> {
  if (kubeconfig !== undefined) return named(resolve(kubeconfig), context, tell);
  const noKind = await whyNoKind();
  if (noKind === undefined) {
    tell('        using kind, because Docker runs here');
    await bringUpKind(tell);
    return { way: 'kind', kubeconfigPath: kindKubeconfig };
  }
  const notHere = await whyNoOneMachineCluster();
  if (notHere !== undefined) throw new Unavailable(`no kubeconfig was named; kind: ${noKind}; ${notHere}`);
  tell(`        using the one-machine cluster (no kubeconfig was named; kind: ${noKind})`);
  await bringUpOneMachine(tell);
  return { way: 'one machine', kubeconfigPath: files.kubeconfig };
}

async function named(kubeconfigPath: string, context: string | undefined, tell: Tell): Promise<SettledCluster> {
  if (!existsSync(kubeconfigPath)) throw new Error(`there is no file ${kubeconfigPath}`);
  const cluster: SettledCluster = {
    way: 'named by the user',
    kubeconfigPath,
    ...(context === undefined ? {} : { context }),
  };
  await kubernetesPrograms(tell, ['kubectl']);
  await timed(tell, `the cluster of ${kubeconfigPath} answers`, () =>
    kubectl(['get', '--raw', '/readyz'], { cluster, timeoutMs: 30_000 }),
  );
  return cluster;
}
