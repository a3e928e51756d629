import { join } from 'node:path';
import { kubernetesPrograms } from './go-programs.ts';
import { files } from './layout.ts';
import { run } from './run.ts';
import { silent } from './story.ts';

/** Runs the cluster's own kubectl as admin of the one-machine cluster. */
export async function kubectl(args: readonly string[], input?: string): Promise<string> {
  const program = join(await kubernetesPrograms(silent, ['kubectl']), 'kubectl');
  return run(program, ['--kubeconfig', files.kubeconfig, ...args], input === undefined ? {} : { input });
}

/** Applies objects server-side; safe to repeat. */
export async function kubectlApply(objects: readonly object[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  await kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], JSON.stringify(list));
}
