import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { files, network } from './layout.ts';
import { removeMadeDirectories } from './namespaces.ts';
import { cgroupDirs, podsCgroup, removeCgroup } from './node.ts';
import { clusterDir } from './paths.ts';
import { ProcessBook } from './processes.ts';
import { type Tell, timed } from './story.ts';
import { waitFor } from './wait.ts';

/**
 * Ends the one-machine cluster, complete or half-started, and removes its files: processes by their mark, pods by their
 * cgroup, mounts and network with the namespaces that die with the last process. Safe to run twice, and when nothing is
 * there. Touches nothing that the harness did not start.
 */
export async function takeDownOneMachine(tell: Tell): Promise<void> {
  const cgroups = podsCgroups();
  if (!existsSync(clusterDir) && cgroups.length === 0) return;
  await timed(tell, 'ended the one-machine cluster and removed its files', async () => {
    // First what would start the rest again: the kubelet pods, containerd's shims their containers.
    const book = new ProcessBook(files.run);
    await book.stop('kubelet', 'SIGKILL');
    await book.sweep();
    await endPods(cgroups);
    // The kernel clears a network namespace a moment after its last process; the next `up` needs the cable's name.
    const cable = join('/sys/class/net', network.cable);
    await waitFor('the end of the network', () => !existsSync(cable), { timeoutMs: 15_000 });
    removeMadeDirectories();
    await rm(clusterDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  });
}

function podsCgroups(): string[] {
  return cgroupDirs()
    .map((dir) => join(dir, podsCgroup))
    .filter((dir) => existsSync(dir));
}

async function endPods(cgroups: readonly string[]): Promise<void> {
  await waitFor(
    'the end of every pod',
    () => {
      const pids = new Set(cgroups.flatMap(processesIn));
      for (const pid of pids) kill(pid);
      return pids.size === 0;
    },
    { timeoutMs: 20_000 },
  );
  await waitFor('the removal of the cgroups', () => cgroups.every(removed), { timeoutMs: 10_000 });
}

function removed(cgroup: string): boolean {
  if (existsSync(cgroup)) removeCgroup(cgroup);
  return true;
}

function processesIn(cgroup: string): number[] {
  const here = readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  const within = readdirSync(cgroup, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...here, ...within.flatMap((entry) => processesIn(join(cgroup, entry.name)))];
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went by itself.
  }
}
