import { join } from 'node:path';
import { kubernetesPrograms } from './go-programs.ts';
import { files } from './layout.ts';
import { run } from './run.ts';
import type { SettledCluster } from './settled.ts';
import { silent } from './story.ts';

export interface KubectlOptions {
  input?: string;
  /** Left out: the one-machine cluster. */
  cluster?: SettledCluster;
  /** Left out: without a limit. */
  timeoutMs?: number;
}

/** Runs the cluster's own kubectl as admin and answers its stdout; never a context that nobody named. */
export async function kubectl(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
  const { cluster, ...runOptions } = options;
  const program = join(await kubernetesPrograms(silent, ['kubectl']), 'kubectl');
  const context = cluster?.context === undefined ? [] : ['--context', cluster.context];
  return run(program, ['--kubeconfig', cluster?.kubeconfigPath ?? files.kubeconfig, ...context, ...args], runOptions);
}

/** Applies objects server-side; safe to repeat. */
export async function kubectlApply(objects: readonly object[], cluster?: SettledCluster): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  const args = ['apply', '--server-side', '--force-conflicts', '-f', '-'];
  await kubectl(args, cluster === undefined ? { input } : { input, cluster });
}
