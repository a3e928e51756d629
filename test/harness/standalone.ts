import { type ChildProcess, spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { admit } from '../../src/api/admit.ts';
import { systemClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/log.ts';
import { applyFiles } from '../../src/cli/apply.ts';
import { homeApplier } from '../../src/cli/home-place.ts';
import type { Kind, Resource } from '../../src/cluster/resource.ts';
import { type Home, openHome } from '../../src/cluster/standalone/home.ts';
import { createObjects, type StandaloneObjects } from '../../src/cluster/standalone/objects.ts';
import { eventually } from './eventually.ts';
import { Stops } from './stops.ts';

const repository = new URL('../..', import.meta.url).pathname;
const main = join(repository, 'src', 'main.ts');

export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** What a command says, and how it ends. */
export function resultOf(child: ChildProcess): Promise<CommandResult> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** A home of its own, and Backstay running on it as a user would: by its command line, in processes of their own. */
export class Standalone {
  readonly home: string;
  /** Where its processes and those of its tasks are to die or to stand still. */
  readonly stops = new Stops();
  readonly #tools: string;
  #child: ChildProcess | undefined;
  #log = '';
  #watchers = new Set<() => void>();
  #opened: Promise<{ home: Home; objects: StandaloneObjects }> | undefined;

  /** `copyOf`: another home, at rest, to begin with. */
  constructor(tools: string, { copyOf }: { copyOf?: string } = {}) {
    this.home = mkdtempSync(join(tmpdir(), 'backstay-home-'));
    if (copyOf !== undefined) cpSync(copyOf, this.home, { recursive: true });
    this.#tools = tools;
  }

  /** What the running process has logged, JSON lines. */
  get log(): string {
    return this.#log;
  }

  /** Starts `backstay standalone`; resolves when it looks after the home. */
  async start(): Promise<void> {
    const before = this.#log.length;
    this.#begin();
    await this.waitForLog((log) => log.slice(before).includes('"msg":"ready"'), 'ready');
  }

  /** Starts `backstay standalone` that is to die where `stops` says; resolves when it is dead. */
  async startAndDie(): Promise<void> {
    const child = this.#begin();
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
    const signal = await new Promise((resolve) => child.once('close', (_code, by) => resolve(by)));
    clearTimeout(timer);
    if (signal !== 'SIGKILL') throw new Error(`standalone ended by itself:\n${this.#log.slice(-3000)}`);
  }

  #begin(): ChildProcess {
    const flags = ['--home', this.home, '--tools', this.#tools, '--log-level', 'debug'];
    const args = [...this.stops.nodeOptions, main, 'standalone', ...flags];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: this.home });
    this.#child = child;
    const take = (chunk: Buffer): void => {
      this.#log += chunk.toString();
      for (const wake of [...this.#watchers]) wake();
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.once('exit', () => {
      for (const wake of [...this.#watchers]) wake();
    });
    return child;
  }

  /** Resolves when the log satisfies `seen`; rejects when the process ended or `timeoutMs` passed. */
  waitForLog(seen: (log: string) => boolean, what: string, timeoutMs = 90_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: Error): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        error === undefined ? resolve() : reject(error);
      };
      const look = (): void => {
        if (seen(this.#log)) end();
        else if (!this.isRunning) end(new Error(`standalone ended before "${what}":\n${this.#log.slice(-3000)}`));
      };
      const timer = setTimeout(() => end(new Error(`no "${what}" in:\n${this.#log.slice(-3000)}`)), timeoutMs);
      this.#watchers.add(look);
      look();
    });
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Ends the process alone, not the tasks that it started. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    await gone;
  }

  /** Runs a command of the command line on this home. */
  command(args: readonly string[], input?: string): Promise<CommandResult> {
    const child = spawn(process.execPath, [...this.stops.nodeOptions, main, ...args], {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, BACKSTAY_HOME: this.home },
      cwd: this.home,
    });
    child.stdin?.end(input);
    return resultOf(child);
  }

  /** Applies YAML text; throws with what the command said when it was refused. */
  async apply(yaml: string): Promise<string> {
    const { code, stdout, stderr } = await this.command(['apply', '-f', '-'], yaml);
    if (code !== 0) throw new Error(stderr);
    return stdout;
  }

  /** Puts the objects into the home as `apply` does, without the process: whether standalone runs or not. */
  async put(yaml: string): Promise<void> {
    const objects = await this.objects();
    await applyFiles([{ name: 'test', text: yaml }], homeApplier(objects, admit));
  }

  /** Writes a secret the way the documentation says: one file a key, for the owner only. */
  setSecret(name: string, keys: Record<string, string>): void {
    const directory = join(this.home, 'secrets', 'default', name);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const [key, value] of Object.entries(keys)) writeFileSync(join(directory, key), value, { mode: 0o600 });
  }

  /** The home as another process of the same machine sees it; a command line for every look would be slow. */
  async objects(): Promise<StandaloneObjects> {
    this.#opened ??= openHome(this.home, systemClock).then((home) => ({
      home,
      objects: createObjects({ home, admit, clock: systemClock, log: createLogger('silent', process.stderr) }),
    }));
    return (await this.#opened).objects;
  }

  /** The object as it lies in the home, or undefined. */
  async get<Status = Record<string, unknown>>(
    kind: Kind,
    name: string,
  ): Promise<Resource<unknown, Status> | undefined> {
    const object = await (await this.objects()).get(kind, { namespace: 'default', name });
    return object as Resource<unknown, Status> | undefined;
  }

  async list(kind: Kind): Promise<Resource[]> {
    return (await this.objects()).list(kind);
  }

  /** Waits until a run or a request has ended, and answers it. */
  async waitForEnd(kind: 'BackupRun' | 'RestoreRequest', name: string, timeoutMs = 150_000): Promise<EndedObject> {
    const untilMs = Date.now() + timeoutMs;
    for (;;) {
      const object = await this.get<EndedObject['status']>(kind, name);
      const phase = object?.status?.phase ?? '';
      if (object !== undefined && ['Succeeded', 'Failed'].includes(phase)) return object as EndedObject;
      if (Date.now() > untilMs) {
        throw new Error(
          `${kind} ${name} is still ${phase}: ${JSON.stringify(object?.status)}\n${this.#log.slice(-4000)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Processes that belong to a task of this home: their working directory or a path in their arguments is in it. */
  taskProcesses(): number[] {
    const tasks = join(this.home, 'tasks');
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
          return readlinkSync(`/proc/${pid}/cwd`).startsWith(tasks) || words.includes(tasks);
        } catch {
          return false;
        }
      })
      .map(Number);
  }

  /** Waits until nothing is left of the tasks: no process, no directory, no FIFO. */
  async waitForRest(): Promise<void> {
    await eventually(
      () => {
        const found = [...this.taskProcesses().map((pid) => `process ${pid}`), ...this.leftovers()];
        if (found.length > 0) throw new Error(`still there: ${found.join(', ')}\n${this.#log.slice(-2000)}`);
      },
      90_000,
      100,
    );
  }

  /** What should not be there when every run and request is over: task directories, and FIFOs wherever they are. */
  leftovers(): string[] {
    const entries = readdirSync(this.home, { recursive: true, withFileTypes: true });
    const below = entries.map((entry) => ({
      entry,
      path: join(entry.parentPath, entry.name).slice(this.home.length + 1),
    }));
    return below
      .filter(({ entry, path }) => entry.isFIFO() || /^tasks\/[^/]+\/./.test(path) || /\.(tmp|new)$/.test(path))
      .map(({ path }) => path);
  }

  /** Ends everything that was started here and removes the home. Safe to call twice. */
  async stop(): Promise<void> {
    await this.kill('SIGTERM');
    for (const pid of this.taskProcesses()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended between the look and the kill.
      }
    }
    const opened = await this.#opened;
    this.#opened = undefined;
    opened?.home.close();
    this.stops.remove();
    rmSync(this.home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

export interface EndedObject extends Resource {
  status: {
    phase: 'Succeeded' | 'Failed';
    failure?: { reason: string; message: string; hint: string };
    set?: {
      manifestKey: string;
      lineage: string;
      runUid: string;
      attempt: string;
      storedBytes: number;
      plainBytes: number;
      toolVersion: string;
    };
    result?: { rowCount: number };
    attempts?: unknown[];
    conditions: { type: string; status: string; reason: string; message: string }[];
  };
}
