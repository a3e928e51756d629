import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.ts';

/** What a task of standalone is made of: see `cluster/standalone/leader.ts`. */
export type TaskPart = 'leader' | 'agent' | 'loop' | 'tool';

/** The number of the process that is this part of the task now; undefined when there is none. */
export function taskProcess(home: string, task: string, part: TaskPart): number | undefined {
  const root = join(home, 'tasks', 'default', task);
  const leader = leaderOf(root);
  if (leader === undefined || part === 'leader') return leader;
  const isPart = (pid: number): boolean => {
    const facts = factsOf(pid);
    if (facts === undefined) return false;
    if (part === 'tool') return /^pg_(dump|restore)\0/.test(facts.words) && facts.directory.startsWith(root);
    return part === 'agent'
      ? facts.words.includes(`\0agent\0--root\0${root}\0`)
      : facts.words.includes(`\0tool-loop\0${root}/work\0`);
  };
  return (part === 'tool' ? descendantsOf(leader) : childrenOf(leader)).find(isPart);
}

/** By the kernel's own lists: to read every process of the machine, again and again, costs more than the tests. */
function childrenOf(pid: number): number[] {
  try {
    const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return list.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

const descendantsOf = (pid: number): number[] => childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);

/** Lets the tool of the task stand still in the middle of its work, as soon as it dumps. */
export function freezeDump(home: string, task: string): Promise<void> {
  return eventually(
    () => {
      const pid = taskProcess(home, task, 'tool');
      const words = pid === undefined ? undefined : factsOf(pid)?.words;
      if (pid === undefined || !words?.includes('--format=custom')) throw new Error(`task ${task} has no pg_dump`);
      process.kill(pid, 'SIGSTOP');
    },
    150_000,
    2,
  );
}

/** Kills this part of the task as soon as it is there; a loop only when it has begun its work. */
export function killTaskPart(home: string, task: string, part: TaskPart): Promise<void> {
  return eventually(() => {
    const pid = taskProcess(home, task, part);
    const hasBegun = part !== 'loop' || existsSync(join(home, 'tasks', 'default', task, 'work', 'boot'));
    if (pid === undefined || !hasBegun) throw new Error(`task ${task} has no ${part}`);
    process.kill(pid, 'SIGKILL');
  }, 150_000);
}

function leaderOf(root: string): number | undefined {
  try {
    return (JSON.parse(readFileSync(join(root, 'leader.json'), 'utf8')) as { pid?: number }).pid;
  } catch {
    return undefined;
  }
}

function factsOf(pid: number): { words: string; directory: string } | undefined {
  try {
    return { words: readFileSync(`/proc/${pid}/cmdline`, 'utf8'), directory: readlinkSync(`/proc/${pid}/cwd`) };
  } catch {
    return undefined;
  }
}
