import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stepsOf } from '../../src/agent/steps.ts';
import { Work, type WorkTimes, workTimes } from '../../src/agent/work.ts';
import { systemClock } from '../../src/base/clock.ts';
import { layout } from '../../src/contract/layout.ts';
import { toolLoop } from '../../src/contract/tool-loop.ts';
import type { Steps } from '../../src/engine/engine.ts';

/** Shells that a tool image may have as `sh`, as far as this machine has them. */
export const shells: readonly string[][] = [['dash'], ['bash', '--posix'], ['busybox', 'sh']].filter(
  ([program]) => spawnSync(program!, ['-c', 'true']).error === undefined,
);

/** A task's root directory with the loop of the tool container at work in it, as a pod or the standalone runner makes it. */
export class ToolContainer {
  readonly root: string;
  readonly #shell: readonly string[];
  readonly #toolsDir: string | undefined;
  #loop: ChildProcess | undefined;
  readonly #works: Work[] = [];

  constructor(options: { shell?: readonly string[]; toolsDir?: string } = {}) {
    this.#shell = options.shell ?? ['sh'];
    this.#toolsDir = options.toolsDir;
    this.root = mkdtempSync(join(tmpdir(), 'backstay-tool-'));
    for (const dir of [layout.work, layout.secrets, layout.private]) mkdirSync(join(this.root, dir));
  }

  get workDir(): string {
    return join(this.root, layout.work);
  }

  get loop(): ChildProcess {
    return this.#loop!;
  }

  start(): this {
    const [program, ...options] = this.#shell;
    const path = [this.#toolsDir, process.env['PATH']].filter(Boolean).join(':');
    this.#loop = spawn(program!, [...options, '-c', toolLoop, 'tool-loop', this.workDir], {
      stdio: 'ignore',
      env: { ...process.env, PATH: path },
    });
    return this;
  }

  /** The agent's end. */
  async open(times: Partial<WorkTimes> = {}): Promise<{ work: Work; steps: Steps }> {
    const short = { ...workTimes, startMs: 10_000, exitMs: 500, killMs: 1_000, watchMs: 50, ...times };
    const work = await Work.open(this.workDir, systemClock, short, new AbortController().signal);
    this.#works.push(work);
    return { work, steps: stepsOf(work, join(this.root, layout.private)) };
  }

  /** What lies in the work directory. */
  leftovers(): string[] {
    return readdirSync(this.workDir).sort();
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const loop = this.loop;
    if (loop.exitCode === null && loop.signalCode === null) {
      const gone = new Promise<void>((resolve) => loop.once('exit', () => resolve()));
      loop.kill(signal);
      await gone;
    }
    return { code: loop.exitCode, signal: loop.signalCode };
  }

  async remove(): Promise<void> {
    for (const work of this.#works.splice(0)) await work.close();
    if (this.#loop !== undefined) await this.end();
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Waits until `condition` holds, asking every 10 ms. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 15_000,
): Promise<void> {
  const untilMs = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > untilMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Whether a process whose command line holds `text` runs. */
export function isRunning(text: string): boolean {
  return pidsOf(text).length > 0;
}

export function pidsOf(text: string): number[] {
  const { stdout } = spawnSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .filter((line) => line.includes(text) && !line.includes('ps -eo'))
    .map((line) => Number.parseInt(line, 10));
}

export async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}
