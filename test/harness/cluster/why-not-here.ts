import { existsSync, readFileSync } from 'node:fs';
import { network } from './layout.ts';
import { clusterDir } from './paths.ts';
import { run, succeeds } from './run.ts';

/** Why the one-machine cluster cannot run here: a whole sentence; undefined when it can. Changes nothing. */
export async function whyNoOneMachineCluster(): Promise<string | undefined> {
  if (process.platform !== 'linux') return `the one-machine cluster needs Linux, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'the one-machine cluster needs root';
  if (!existsSync('/usr/bin/apt-get'))
    return 'the one-machine cluster takes its parts from Debian, and there is no apt-get';
  if (!(await succeeds('unshare', ['--mount', '--net', 'true']))) {
    return 'this machine does not let root make network namespaces (a container without CAP_SYS_ADMIN?)';
  }
  const missing = missingControllers();
  if (missing.length > 0) return `the kernel offers no cgroup controller ${missing.join(', ')}`;
  if (!readFileSync('/proc/filesystems', 'utf8').includes('overlay') && !(await succeeds('modprobe', ['overlay']))) {
    return 'the kernel has no overlay file system';
  }
  return takenNetwork();
}

function missingControllers(): string[] {
  const needed = ['cpu', 'cpuset', 'memory', 'pids'];
  const v2 = '/sys/fs/cgroup/cgroup.controllers';
  if (existsSync(v2)) {
    const offered = readFileSync(v2, 'utf8').trim().split(' ');
    return needed.filter((name) => !offered.includes(name));
  }
  return needed.filter((name) => !existsSync(`/sys/fs/cgroup/${name}`));
}

/** Another network of this machine that lies in or around the one that the cluster takes. */
async function takenNetwork(): Promise<string | undefined> {
  const routes = JSON.parse(await run('ip', ['-json', '-4', 'route', 'show', 'table', 'all'])) as {
    dst?: string;
    dev?: string;
  }[];
  // The cable is ours only when this cache directory holds a cluster: two checkouts' caches cannot share one machine.
  const own = existsSync(clusterDir) ? network.cable : undefined;
  const overlapping = routes.find(
    ({ dst, dev }) => dst !== undefined && dst !== 'default' && dev !== own && overlap(dst, network.whole),
  );
  return overlapping === undefined
    ? undefined
    : `the one-machine cluster takes the network ${network.whole}, and this machine has a route to ${overlapping.dst} (${overlapping.dev})`;
}

/** Whether one of two IPv4 networks, such as 10.0.0.0/8, holds the other. */
export function overlap(left: string, right: string): boolean {
  const [a, b] = [parse(left), parse(right)];
  const mask = Math.min(a.bits, b.bits);
  const cut = (address: number): number => (mask === 0 ? 0 : address >>> (32 - mask));
  return cut(a.address) === cut(b.address);
}

function parse(network: string): { address: number; bits: number } {
  const [address = '', bits = '32'] = network.split('/');
  return { address: address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0), bits: Number(bits) };
}
