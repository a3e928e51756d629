import { closeSync, writeSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import { makeFifos, openBoth, openForWriting } from './fifo.ts';

export interface WorkTimes {
  /** Until the tool container's loop has come, and until it has begun a step. */
  startMs: number;
  /** Between the loop's coming and its reading: longer than a container takes to be started again. */
  answerMs: number;
  /** Between the end of a tool's output and its exit file. */
  exitMs: number;
  /** Between TERM and KILL for a tool. */
  killMs: number;
  /** How often it is looked whether the loop is still there. */
  watchMs: number;
}

export const workTimes: WorkTimes = {
  startMs: 60_000,
  answerMs: 10_000,
  exitMs: 10_000,
  killMs: 5_000,
  watchMs: 1_000,
};

/**
 * The agent's end of the work directory that it shares with the tool container; `contract/tool-loop.ts` is the other
 * end and says what lies in it. A new boot number, or a control FIFO that nobody reads, means that the container was
 * restarted or is gone, and every step with it: then `lost` is aborted with ToolLost.
 */
export class Work {
  readonly boot: string;
  readonly clock: Clock;
  readonly times: WorkTimes;
  readonly #dir: string;
  readonly #lost = new AbortController();
  readonly #control: number;
  #closed = false;
  #stepCount = 0;
  #stopWatch = (): void => {};

  private constructor(dir: string, boot: string, control: number, clock: Clock, times: WorkTimes) {
    this.#dir = dir;
    this.boot = boot;
    this.#control = control;
    this.clock = clock;
    this.times = times;
    this.#watch();
  }

  /**
   * Makes the control FIFO and waits until the loop reads it. Throws StartDeadlineExceeded when no loop comes, ToolLost
   * when one came and is gone: its boot number stays behind and alone proves nothing.
   */
  static async open(dir: string, clock: Clock, times: WorkTimes, signal: AbortSignal): Promise<Work> {
    const control = await makeControl(dir);
    try {
      const beganMs = clock.nowMs();
      let cameMs: number | undefined;
      for (;;) {
        const isRead = isReadBySomebody(control);
        const boot = await readBoot(dir);
        if (boot !== undefined && isRead) return new Work(dir, boot, control, clock, times);
        const nowMs = clock.nowMs();
        if (boot !== undefined) cameMs ??= nowMs;
        if (cameMs === undefined && nowMs >= beganMs + times.startMs) {
          throw new Fault('StartDeadlineExceeded', `the tool container did not start within ${times.startMs / 1000} s`);
        }
        if (cameMs !== undefined && nowMs >= cameMs + times.answerMs) {
          throw new Fault('ToolLost', 'the tool container came and is gone');
        }
        await sleep(clock, 20, signal);
      }
    } catch (thrown) {
      closeSync(control);
      throw thrown;
    }
  }

  /** Aborted with ToolLost when the loop that was there at the start is gone. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** A fresh directory with FIFOs for one step, not begun. */
  async prepareStep(line: string, hasInput: boolean): Promise<{ id: number; dir: string }> {
    this.#stepCount += 1;
    const id = this.#stepCount;
    const dir = join(this.#dir, `step-${id}`);
    await mkdir(dir);
    // 2: the group is handed on to what the tool makes in it. The mode of mkdir would be cut by the umask.
    await chmod(dir, 0o2770);
    await makeFifos(join(dir, 'out'), ...(hasInput ? [join(dir, 'in')] : []));
    await writeFile(join(dir, 'cmd'), line);
    await chmod(join(dir, 'cmd'), 0o660);
    return { id, dir };
  }

  /** Returns when the loop has begun the step. Throws ToolLost when it does not. */
  async begin(step: { id: number; dir: string }, signal: AbortSignal): Promise<void> {
    this.tell(`run ${step.id}`);
    const untilMs = this.clock.nowMs() + this.times.startMs;
    while ((await readIfThere(join(step.dir, 'pid'))) === undefined) {
      if (this.clock.nowMs() >= untilMs) this.#loseTool('the tool container does not begin its step');
      this.#lost.signal.throwIfAborted();
      await sleep(this.clock, 5, signal);
    }
    this.#lost.signal.throwIfAborted();
  }

  /** Writes a line to the loop; a loop that is gone shows in `lost`. */
  tell(line: string): void {
    // The number of a closed file may be another file's by now.
    if (this.#closed) return;
    try {
      writeSync(this.#control, `${line}\n`);
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === 'EPIPE') this.#loseTool('the tool container ended');
      else if (code !== 'EAGAIN') throw thrown;
    }
  }

  /**
   * Ends the loop's input: it kills what still runs, which it finds by the steps' directories. Whoever still waits for a
   * step gets ToolLost. Idempotent.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopWatch();
    this.#loseTool('the agent let go of the tool container');
    closeSync(this.#control);
    await rm(join(this.#dir, 'control'), { force: true });
  }

  #watch(): void {
    this.#stopWatch = this.clock.after(
      this.times.watchMs,
      () => {
        void this.#look().finally(() => !this.#closed && this.#watch());
      },
      { holdsProcess: false },
    );
  }

  async #look(): Promise<void> {
    const boot = await readBoot(this.#dir);
    if (this.#closed) return;
    if (boot !== this.boot) this.#loseTool('the tool container was restarted');
    else this.tell('');
  }

  #loseTool(message: string): void {
    if (!this.#lost.signal.aborted) this.#lost.abort(new Fault('ToolLost', message));
  }
}

/** The control FIFO, open for writing before a loop can find it: then an end that the loop sees means a dead agent. */
async function makeControl(dir: string): Promise<number> {
  const fresh = join(dir, 'control.new');
  await makeFifos(fresh);
  // Without a reader there is no opening it for writing alone; a reader of our own would keep every write from failing.
  const both = await openBoth(fresh);
  try {
    const control = await openForWriting(fresh);
    await rename(fresh, join(dir, 'control'));
    return control;
  } finally {
    closeSync(both);
  }
}

/** An empty line means nothing to the loop, but it cannot be written when nobody reads. */
function isReadBySomebody(control: number): boolean {
  try {
    writeSync(control, '\n');
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EPIPE') return false;
    throw thrown;
  }
}

async function readBoot(dir: string): Promise<string | undefined> {
  return (await readIfThere(join(dir, 'boot')))?.trim();
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
}
