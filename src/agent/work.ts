import { closeSync, writeSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import { makeFifos, openBoth, openForWriting } from './fifo.ts';

export interface WorkTimes {
  /** Until the tool container's loop has come, and until it has begun a step. */
  startMs: number;
  /** Between the end of a tool's output and its exit file. */
  exitMs: number;
  /** Between TERM and KILL for a tool. */
  killMs: number;
  /** How often it is looked whether the loop is still there. */
  watchMs: number;
}

export const workTimes: WorkTimes = { startMs: 60_000, exitMs: 10_000, killMs: 5_000, watchMs: 1_000 };

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
  #control: number;
  #attached = false;
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

  /** Makes the control FIFO and waits for the loop. Throws StartDeadlineExceeded when it does not come. */
  static async open(dir: string, clock: Clock, times: WorkTimes, signal: AbortSignal): Promise<Work> {
    // Renamed into place when it is open: a loop that finds it always finds a writer too, so an end means a dead agent.
    const fresh = join(dir, 'control.new');
    await makeFifos(fresh);
    const control = await openBoth(fresh);
    try {
      await rename(fresh, join(dir, 'control'));
      const untilMs = clock.nowMs() + times.startMs;
      for (;;) {
        const boot = await readBoot(dir);
        if (boot !== undefined) return new Work(dir, boot, control, clock, times);
        if (clock.nowMs() >= untilMs) {
          throw new Fault('StartDeadlineExceeded', `the tool container did not start within ${times.startMs / 1000} s`);
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
    await this.#attach().catch((thrown: unknown) => {
      // Closed in between: the FIFO is gone, or the loop has let go of it.
      this.#lost.signal.throwIfAborted();
      throw thrown;
    });
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

  // While the agent itself is a reader of the FIFO, writing never fails. Once the loop reads, it lets go of that end.
  async #attach(): Promise<void> {
    if (this.#attached) return;
    this.#attached = true;
    const writeOnly = await openForWriting(join(this.#dir, 'control'));
    // A writer that is left open would keep the loop, and the tool, running for ever.
    if (this.#closed) return closeSync(writeOnly);
    closeSync(this.#control);
    this.#control = writeOnly;
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
    // An empty line means nothing to the loop, but it cannot be written when nobody reads.
    else if (this.#attached) this.tell('');
  }

  #loseTool(message: string): void {
    if (!this.#lost.signal.aborted) this.#lost.abort(new Fault('ToolLost', message));
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
