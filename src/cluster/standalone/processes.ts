import { readdir, readFile, readlink } from 'node:fs/promises';

/** A process for all times: the number alone comes back for another one. */
export interface ProcessIdentity {
  pid: number;
  /** Field 22 of /proc/PID/stat: ticks from boot to the start of the process. */
  startTicks: string;
  bootId: string;
}

export const bootId = async (): Promise<string> => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();

/** Whether this very process still runs. One that has ended and waits for its parent does not. */
export async function isAlive({ pid, startTicks, bootId: boot }: ProcessIdentity): Promise<boolean> {
  if ((await bootId()) !== boot) return false;
  const facts = await factsOf(pid);
  return facts !== undefined && facts.startTicks === startTicks;
}

/** Environment variable that every process of a task inherits; its value is random and the task's alone. */
export const taskMark = 'BACKSTAY_TASK';

/**
 * The processes of a task, whoever their parent is by now: those that bear its mark; and those of its leader's session
 * at work in its directory, for programs that overwrite their own environment. A process of somebody else who got a
 * number of ours is neither.
 */
export async function processesOf(task: {
  mark: string;
  root: string;
  leaderPid: number | undefined;
}): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const found: number[] = [];
  for (const pid of pids) {
    if (pid === process.pid) continue;
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    const isMarked = environment.split('\0').includes(`${taskMark}=${task.mark}`);
    const facts = await factsOf(pid);
    if (facts !== undefined && (isMarked || (facts.session === task.leaderPid && (await worksIn(pid, task.root))))) {
      found.push(pid);
    }
  }
  return found;
}

/** Sends the signal; a process that is gone already is no failure. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function factsOf(pid: number): Promise<{ session: number; startTicks: string } | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  if (stat === undefined) return undefined;
  // The second field is the program's name in parentheses and may hold blanks and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  if (state === 'Z' || state === 'X') return undefined;
  return { session: Number(fields[3]), startTicks: fields[19] ?? '' };
}

async function worksIn(pid: number, root: string): Promise<boolean> {
  const directory = await readlink(`/proc/${pid}/cwd`).catch(() => '');
  return directory === root || directory.startsWith(`${root}/`);
}
