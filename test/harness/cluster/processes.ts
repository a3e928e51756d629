import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from './wait.ts';

/** In the environment of everything that a book starts, so that a crash between start and note loses no process. */
const marker = 'BACKSTAY_HARNESS_BOOK';

export interface ProcessSpec {
  /** The process's name in the book: also that of its log, NAME.log. */
  name: string;
  command: string;
  args: readonly string[];
  env?: Record<string, string>;
}

interface ProcessRecord {
  pid: number;
  startTime: string;
  spec: ProcessSpec;
}

/** When the process started, in clock ticks since boot; undefined when there is none (or only its zombie). */
export function startTimeOf(pid: number): string | undefined {
  try {
    // The second field is the program's name in brackets and may hold spaces and brackets itself.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/**
 * The long-running processes of one directory: a note for each with pid and start time (a pid alone may by now belong
 * to somebody else), and its log. They outlive this process; whoever opens the directory again finds them.
 */
export class ProcessBook {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  /** Starts it in a session of its own and notes it. Throws when one of this name still runs. */
  start(spec: ProcessSpec): number {
    if (this.pid(spec.name) !== undefined) throw new Error(`${spec.name} runs already`);
    const log = openSync(this.logFile(spec.name), 'a', 0o600);
    try {
      const child = spawn(spec.command, spec.args, {
        detached: true,
        stdio: ['ignore', log, log],
        // Nothing of the user's environment but the path: a proxy variable would send the cluster's own traffic away.
        env: { PATH: process.env['PATH'] ?? '', HOME: '/root', ...spec.env, [marker]: this.dir },
      });
      child.unref();
      child.on('error', () => undefined);
      if (child.pid === undefined) throw new Error(`${spec.command} cannot be started`);
      const record: ProcessRecord = {
        pid: child.pid,
        startTime: startTimeOf(child.pid) ?? 'gone',
        spec,
      };
      writeFileSync(`${this.noteFile(spec.name)}.part`, JSON.stringify(record), { mode: 0o600 });
      renameSync(`${this.noteFile(spec.name)}.part`, this.noteFile(spec.name));
      return child.pid;
    } finally {
      closeSync(log);
    }
  }

  /** Starts a process that has ended as it was started before. */
  startAgain(name: string): number {
    const record = this.read(name);
    if (record === undefined) throw new Error(`${name} was never started`);
    return this.start(record.spec);
  }

  /** The pid of the process that was started under this name, while it lives. */
  pid(name: string): number | undefined {
    const record = this.read(name);
    return record !== undefined && startTimeOf(record.pid) === record.startTime ? record.pid : undefined;
  }

  /** Ends it: TERM, and KILL when it has not gone in time. Nothing happens when it does not run. */
  async stop(name: string, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM', graceMs = 10_000): Promise<void> {
    if (this.signal(name, signal)) {
      await this.gone(name, graceMs).catch(async () => {
        this.signal(name, 'SIGKILL');
        await this.gone(name, 10_000);
      });
    }
  }

  /** Sends a signal; false when the process does not run. */
  signal(name: string, signal: NodeJS.Signals): boolean {
    const pid = this.pid(name);
    if (pid === undefined) return false;
    process.kill(pid, signal);
    return true;
  }

  /** The last lines of its log. */
  tail(name: string, lines = 15): string {
    try {
      return readFileSync(this.logFile(name), 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } catch {
      return '';
    }
  }

  names(): string[] {
    return readdirSync(this.dir)
      .filter((file) => file.endsWith('.process.json'))
      .map((file) => file.slice(0, -'.process.json'.length));
  }

  /** Kills whatever carries this book's mark: also what was started but never noted, and the children of both. */
  async sweep(): Promise<void> {
    const mine = (): number[] => markedWith(this.dir);
    for (const pid of mine()) killQuietly(pid);
    await waitFor(`the end of every process of ${this.dir}`, () => mine().length === 0, { timeoutMs: 15_000 });
  }

  logFile(name: string): string {
    return join(this.dir, `${name}.log`);
  }

  private noteFile(name: string): string {
    return join(this.dir, `${name}.process.json`);
  }

  private read(name: string): ProcessRecord | undefined {
    try {
      return JSON.parse(readFileSync(this.noteFile(name), 'utf8')) as ProcessRecord;
    } catch {
      return undefined;
    }
  }

  private gone(name: string, timeoutMs: number): Promise<boolean> {
    return waitFor(`the end of ${name}`, () => this.pid(name) === undefined, { timeoutMs, intervalMs: 20 });
  }
}

function markedWith(dir: string): number[] {
  const mark = `${marker}=${dir}`;
  return readdirSync('/proc')
    .filter((entry) => /^[0-9]+$/.test(entry))
    .map(Number)
    .filter((pid) => startTimeOf(pid) !== undefined && environmentOf(pid).includes(mark));
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went by itself.
  }
}
