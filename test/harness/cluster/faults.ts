import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ctrArgs } from './containerd.ts';
import { unpackDebianPackage } from './debian-unpacked.ts';
import { kubectl } from './kubectl.ts';
import { files } from './layout.ts';
import { ProcessBook } from './processes.ts';
import { run } from './run.ts';
import { silent } from './story.ts';

/** Programs of the node that a test may stop and let go on. */
export type NodeProgram =
  | 'etcd'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kubelet'
  | 'kube-proxy'
  | 'coredns'
  | 'containerd';

interface ContainerOf {
  namespace: string;
  pod: string;
  /** A container or an init container. */
  container: string;
}

/**
 * The pid, on this machine, of a running container's first process: what is killed is the program itself, not the pod.
 * Throws when the container does not run.
 */
export async function containerPid(of: ContainerOf): Promise<number> {
  const id = await containerId(of);
  const ctr = join(await unpackDebianPackage(silent, 'containerd'), 'usr', 'bin', 'ctr');
  const tasks = (await run(ctr, ctrArgs('tasks', 'list'))).split('\n').map((line) => line.trim().split(/\s+/));
  const pid = Number(tasks.find((fields) => fields[0] === id && fields[2] === 'RUNNING')?.[1]);
  if (!Number.isInteger(pid)) throw new Error(`${of.container} of ${of.namespace}/${of.pod} does not run`);
  return pid;
}

/** Kills a container's first process with KILL, or sends it another signal; the kubelet sees it as a crash. */
export async function killContainer(of: ContainerOf, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  process.kill(await containerPid(of), signal);
}

/** Kills one process within a container: the first whose command line holds `words`. Answers its pid. */
export async function killInContainer(
  of: ContainerOf,
  words: string,
  signal: NodeJS.Signals = 'SIGKILL',
): Promise<number> {
  const pids = await descendants(await containerPid(of));
  for (const pid of pids) {
    if ((await commandLine(pid)).includes(words)) {
      process.kill(pid, signal);
      return pid;
    }
  }
  throw new Error(`no process of ${of.container} in ${of.namespace}/${of.pod} has "${words}" in its command line`);
}

/** What anybody on the node can see of a container's processes: command lines and environments. */
export async function visibleIn(of: ContainerOf): Promise<string[]> {
  const pids = await descendants(await containerPid(of));
  const seen = pids.flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`]);
  return Promise.all(seen.map(async (file) => (await readFile(file, 'utf8').catch(() => '')).replaceAll('\0', ' ')));
}

/** Freezes a program of the node: its connections stay open, nothing answers. Undone by `resumeProgram`. */
export function pauseProgram(name: NodeProgram): void {
  if (!new ProcessBook(files.run).signal(name, 'SIGSTOP')) throw new Error(`${name} does not run`);
}

export function resumeProgram(name: NodeProgram): void {
  new ProcessBook(files.run).signal(name, 'SIGCONT');
}

/** Ends a program of the node. `startProgram` starts it as it was. */
export async function stopProgram(name: NodeProgram, signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
  await new ProcessBook(files.run).stop(name, signal);
}

/** Starts a program that `stopProgram` ended, with the same arguments; returns before it is ready. */
export function startProgram(name: NodeProgram): void {
  new ProcessBook(files.run).startAgain(name);
}

async function containerId(of: ContainerOf): Promise<string> {
  const pod = JSON.parse(await kubectl(['-n', of.namespace, 'get', 'pod', of.pod, '-o', 'json'])) as {
    status: Record<string, { name: string; containerID?: string }[] | undefined>;
  };
  const statuses = [...(pod.status['initContainerStatuses'] ?? []), ...(pod.status['containerStatuses'] ?? [])];
  const id = statuses.find((status) => status.name === of.container)?.containerID?.replace('containerd://', '');
  if (!id) throw new Error(`${of.namespace}/${of.pod} has no started container ${of.container}`);
  return id;
}

async function descendants(pid: number): Promise<number[]> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').filter(Boolean);
  const below = await Promise.all(children.map((child) => descendants(Number(child)).catch(() => [])));
  return [pid, ...below.flat()];
}

async function commandLine(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
}
