import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { files, network } from './layout.ts';
import type { ProcessBook, ProcessSpec } from './processes.ts';
import { run } from './run.ts';
import { waitFor } from './wait.ts';

/** The process whose mount and network namespaces everything else of the cluster lives in. */
const anchor = 'namespaces';

// The kubelet and the network plugins have these paths fixed in their code.
const mountPoints = ['/var/lib/cni', '/var/lib/kubelet'];
const madeDirectories = join(files.run, 'made-directories');

/**
 * Makes a mount and a network namespace of the cluster's own, with a cable to the machine. Every mount, bridge, address
 * and iptables rule of the cluster lies in there, and the kernel removes them all when the last process is gone: that is
 * how `down` leaves nothing, even after a crash in the middle of `up`.
 */
export async function openNamespaces(book: ProcessBook): Promise<void> {
  const pid = book.start({
    name: anchor,
    command: 'unshare',
    args: ['--mount', '--net', '--propagation', 'private', '--', 'sleep', 'infinity'],
  });
  // Until unshare has become sleep, the pid still lives in the machine's namespaces.
  await waitFor('the namespaces', async () => (await readFile(`/proc/${pid}/comm`, 'utf8')).trim() === 'sleep', {
    timeoutMs: 5_000,
    intervalMs: 10,
    explain: () => book.tail(anchor),
  });
  for (const dir of mountPoints) {
    if (!existsSync(dir)) appendFileSync(madeDirectories, `${dir}\n`);
    mkdirSync(dir, { recursive: true });
  }
  const { cable, cableBits, machineAddress, nodeAddress, whole } = network;
  await run('ip', ['link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${pid}`]);
  await run('ip', ['address', 'add', `${machineAddress}/${cableBits}`, 'dev', cable]);
  await run('ip', ['link', 'set', cable, 'up']);
  await inside(book, [
    'ip link set lo up',
    `ip address add ${nodeAddress}/${cableBits} dev eth0`,
    'ip link set eth0 up',
    // A connection to a service's address needs some route before kube-proxy's rules see it.
    `ip route add default via ${machineAddress}`,
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    // Sockets of containerd's shims, network namespaces of pods: they must not lie among the machine's own.
    'mount -t tmpfs tmpfs /run',
    'mkdir /run/netns /run/lock',
    ...[...mountPoints, '/var/log'].map((dir) => `mount -t tmpfs tmpfs ${dir}`),
    'mount --make-rshared /',
  ]);
  // Tests on this machine reach pods and services by their own addresses; the route goes with the cable.
  await run('ip', ['route', 'add', whole, 'via', nodeAddress, 'dev', cable]);
}

/** Removes the empty directories that `openNamespaces` had to make on the machine to mount over them. */
export function removeMadeDirectories(): void {
  if (!existsSync(madeDirectories)) return;
  for (const dir of readFileSync(madeDirectories, 'utf8').split('\n').filter(Boolean)) {
    if (existsSync(dir) && readdirSync(dir).length === 0) rmdirSync(dir);
  }
}

/** The same program, started within the cluster's namespaces. */
export function insideNamespaces(book: ProcessBook, spec: ProcessSpec): ProcessSpec {
  return { ...spec, command: 'nsenter', args: [...enter(book), spec.command, ...spec.args] };
}

/** Runs shell lines in the cluster's namespaces and answers what they print. */
export function inside(book: ProcessBook, lines: readonly string[]): Promise<string> {
  return run('nsenter', [...enter(book), 'sh', '-ec', lines.join('\n')], { cwd: files.run });
}

function enter(book: ProcessBook): string[] {
  const pid = book.pid(anchor);
  if (pid === undefined) throw new Error('the cluster has no namespaces: it is not up');
  return ['--mount', '--net', `--target=${pid}`, '--'];
}
