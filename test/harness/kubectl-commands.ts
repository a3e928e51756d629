import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { goProgram, kubernetesPrograms } from './cluster/go-programs.ts';
import { kubectl } from './cluster/kubectl.ts';
import { checkoutDir } from './cluster/paths.ts';
import type { SettledCluster } from './cluster/settled.ts';
import { silent } from './cluster/story.ts';

/** The lines of a file of the checkout that begin with kubectl: in a fenced block, or in a comment of YAML. */
export function kubectlCommands(path: string): string[] {
  const lines = readFileSync(join(checkoutDir, path), 'utf8').split('\n');
  return lines.flatMap((line) => {
    const command = path.endsWith('.md') ? /^\s*(kubectl .*)$/.exec(line) : /^# (?:.*: )?(kubectl .*)$/.exec(line);
    return command?.[1] === undefined ? [] : [command[1].trim()];
  });
}

/** A shell as a reader of the documentation has it: in a directory, with kubectl and helm, on a namespace of a cluster. */
export async function readersShell(
  cluster: SettledCluster,
  { directory, namespace, kubeconfig }: { directory: string; namespace: string; kubeconfig: string },
): Promise<(command: string) => Promise<string>> {
  writeFileSync(kubeconfig, await kubectl(['config', 'view', '--raw', '--minify', '--flatten'], { cluster }), {
    mode: 0o600,
  });
  const programs = [await kubernetesPrograms(silent, ['kubectl']), dirname(await goProgram(silent, 'helm'))];
  const env = { ...process.env, KUBECONFIG: kubeconfig, PATH: `${programs.join(':')}:${process.env['PATH']}` };
  const shell = async (command: string): Promise<string> =>
    (await promisify(execFile)('sh', ['-euc', command], { cwd: directory, env, timeout: 400_000 })).stdout;
  await shell(`kubectl config set-context --current --namespace=${namespace}`);
  return shell;
}
