import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.ts';

/** What a task of standalone is made of: see `cluster/standalone/leader.ts`. */
export type TaskPart = 'leader' | 'agent' | 'loop' | 'tool';

/** The number of the process that is this part of the task now; undefined when there is none. */
export function taskProcess(home: string, task: string, part: TaskPart): number | undefined {
  const root = join(home, 'tasks', 'default', task);
  const leader = leaderOf(root);
  if (leader === undefined || part === 'leader') return leader;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => {
      const facts = factsOf(pid);
      if (facts === undefined || facts.session !== leader) return false;
      if (part === 'tool') return /^pg_(dump|restore)\0/.test(facts.words) && facts.directory.startsWith(root);
      if (facts.parent !== leader) return false;
      return part === 'agent'
        ? facts.words.includes(`\0agent\0--root\0${root}\0`)
        : facts.words.includes(`\0tool-loop\0${root}/work\0`);
    });
}

/** Lets the tool of the task stand still in the middle of its work, as soon as it dumps. */
export function freezeDump(home: string, task: string): Promise<void> {
  return eventually(
    () => {
      const pid = taskProcess(home, task, 'tool');
      const words = pid === undefined ? undefined : factsOf(pid)?.words;
      if (pid === undefined || !words?.includes('--format=custom')) throw new Error(`task ${task} has no pg_dump`);
      process.kill(pid, 'SIGSTOP');
    },
    60_000,
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
  }, 60_000);
}

function leaderOf(root: string): number | undefined {
  try {
    return (JSON.parse(readFileSync(join(root, 'leader.json'), 'utf8')) as { pid?: number }).pid;
  } catch {
    return undefined;
  }
}

function factsOf(pid: number): { words: string; directory: string; parent: number; session: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [, parent, , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return { words, directory: readlinkSync(`/proc/${pid}/cwd`), parent: Number(parent), session: Number(session) };
  } catch {
    return undefined;
  }
}
