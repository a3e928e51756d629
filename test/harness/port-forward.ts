import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { SettledCluster } from './cluster/cluster.ts';
import { kubernetesPrograms } from './cluster/go-programs.ts';
import { silent } from './cluster/story.ts';

/** A port of this machine that leads to a service of the cluster; works with any cluster that kubectl reaches. */
export interface PortForward {
  host: string;
  port: number;
  stop(): void;
}

export async function forwardPort(
  cluster: SettledCluster,
  { namespace, service, port }: { namespace: string; service: string; port: number },
): Promise<PortForward> {
  const program = join(await kubernetesPrograms(silent, ['kubectl']), 'kubectl');
  const context = cluster.context === undefined ? [] : ['--context', cluster.context];
  const child = spawn(
    program,
    [
      '--kubeconfig',
      cluster.kubeconfigPath,
      ...context,
      '-n',
      namespace,
      'port-forward',
      `service/${service}`,
      `:${port}`,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  return { host: '127.0.0.1', port: await readPort(child), stop: () => child.kill() };
}

function readPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let said = '';
    const take = (chunk: Buffer): void => {
      said += chunk.toString();
      const port = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (port !== undefined) resolve(Number(port));
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.once('exit', () => reject(new Error(`kubectl port-forward ended: ${said}`)));
  });
}
