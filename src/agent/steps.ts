import { rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { basename, join } from 'node:path';
import { sleep } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { StepOptions, StepOutput, Steps } from '../engine/engine.ts';
import { type Bytes, untilAborted } from '../stream/bytes.ts';
import { openWriter, sendAll } from './fifo.ts';
import { FifoReader } from './fifo-reader.ts';
import { shellLine } from './shell-line.ts';
import { collectTail, lastLines, readTail } from './tool-output.ts';
import { readIfThere, type Work } from './work.ts';

/**
 * Steps over the FIFOs of a work directory. The end of a tool's output is not its success: an out-of-memory kill ends
 * it too. A step succeeded only when its exit file says 0 under the boot number it began with.
 */
export function stepsOf(work: Work, privateDir: string): Steps {
  return {
    async *read(args, options) {
      const step = await Step.begin(work, args, options, 'no-input');
      try {
        for await (const chunk of untilAborted(step.output, step.signal)) yield chunk;
        await step.succeed();
      } finally {
        await step.end();
      }
    },

    async write(args, input, options) {
      const step = await Step.begin(work, args, options, 'input');
      try {
        return await step.feed(input);
      } finally {
        await step.end();
      }
    },

    async run(args, options) {
      const step = await Step.begin(work, args, options, 'no-input');
      try {
        const stdout = await collectTail(untilAborted(step.output, step.signal));
        return { stdout, stderr: await step.succeed() };
      } finally {
        await step.end();
      }
    },

    async writeSecret(name, content, signal) {
      const path = join(privateDir, name);
      // Made by the tool itself: libpq refuses a password file of another uid, or one that others may read.
      const script = 'umask 077; cat >"$1.new" && mv -f "$1.new" "$1"';
      await this.write(['sh', '-c', script, 'sh', path], once(Buffer.from(content)), { signal });
      return path;
    },
  };
}

class Step {
  readonly output: FifoReader;
  readonly signal: AbortSignal;
  readonly #work: Work;
  readonly #id: number;
  readonly #dir: string;
  readonly #tool: string;
  readonly #wordsOf: (stderr: string) => string;
  #input: Socket | undefined;

  private constructor(
    work: Work,
    id: number,
    dir: string,
    tool: string,
    output: FifoReader,
    signal: AbortSignal,
    wordsOf: (stderr: string) => string,
  ) {
    this.#work = work;
    this.#id = id;
    this.#dir = dir;
    this.#tool = tool;
    this.#wordsOf = wordsOf;
    this.output = output;
    this.signal = signal;
  }

  static async begin(
    work: Work,
    args: readonly string[],
    options: StepOptions,
    kind: 'input' | 'no-input',
  ): Promise<Step> {
    const signal = AbortSignal.any([options.signal, work.lost]);
    signal.throwIfAborted();
    const { id, dir } = await work.prepareStep(shellLine(args, options.env), kind === 'input');
    // Before the tool is told to begin: it waits for a reader, and so nothing of it is missed.
    const output = await FifoReader.open(join(dir, 'out'), work.clock);
    const step = new Step(work, id, dir, basename(args[0] ?? ''), output, signal, options.wordsOf ?? all);
    try {
      await work.begin({ id, dir }, signal);
    } catch (thrown) {
      await step.end();
      throw thrown;
    }
    return step;
  }

  /** Gives the tool all of `input` and waits for its success. An input that fails kills the tool before it can see an end. */
  async feed(input: Bytes): Promise<StepOutput> {
    const collected = collectTail(untilAborted(this.output, this.signal));
    collected.catch(() => {});
    this.#input = await openWriter(join(this.#dir, 'in'), this.#work.clock, this.signal);
    const sent = await sendAll(this.#input, untilAborted(input, this.signal));
    this.#input.destroy();
    const stdout = await collected;
    const stderr = await this.succeed();
    if (sent === 'reader-left') {
      throw new Fault('ToolFailed', `${this.#tool} ended well without having read all of its input`);
    }
    return { stdout, stderr };
  }

  /** Call after the end of the output. The answer is what the tool wrote to stderr. */
  async succeed(): Promise<string> {
    const untilMs = this.#work.clock.nowMs() + this.#work.times.exitMs;
    for (;;) {
      const exit = await this.#exit();
      if (exit !== undefined) return this.#judge(exit);
      if (this.#work.clock.nowMs() >= untilMs) {
        throw new Fault('ToolLost', `${this.#tool} ended its output and left no exit status`);
      }
      await sleep(this.#work.clock, 10, this.signal);
    }
  }

  /**
   * Makes sure that the tool runs no more, and removes the step. A step that cannot be seen ended stays: by its directory
   * the loop finds what it has to kill. Idempotent.
   */
  async end(): Promise<void> {
    const { clock, times, lost } = this.#work;
    // Twice: the loop answers the second with KILL. When the loop is gone, closing the FIFOs ends the tool.
    for (let tries = 0; tries < 2 && !lost.aborted && (await this.#exit()) === undefined; tries += 1) {
      this.#work.tell(`kill ${this.#id}`);
      const untilMs = clock.nowMs() + times.killMs;
      while (!lost.aborted && clock.nowMs() < untilMs && (await this.#exit()) === undefined) await sleep(clock, 10);
    }
    this.#input?.destroy();
    this.output.destroy();
    if ((await this.#exit()) !== undefined) await rm(this.#dir, { recursive: true, force: true });
  }

  async #judge(exit: string): Promise<string> {
    const [boot, code] = exit.trim().split(' ');
    if (boot !== this.#work.boot)
      throw new Fault('ToolLost', `the tool container was restarted while ${this.#tool} ran`);
    const stderr = await readTail(join(this.#dir, 'err'));
    if (code === '0') return stderr;
    const words = lastLines(this.#wordsOf(stderr));
    const said = words === '' ? '' : `: ${words}`;
    if (code === '126' || code === '127') throw new Fault('ToolMissing', `${this.#tool} cannot be run${said}`);
    // 128 + 9: nobody but the kernel's out-of-memory killer does that unasked.
    if (code === '137') throw new Fault('ToolLost', `${this.#tool} was killed with signal 9${said}`);
    throw new Fault('ToolFailed', `${this.#tool} ended with exit code ${code}${said}`);
  }

  #exit(): Promise<string | undefined> {
    return readIfThere(join(this.#dir, 'exit'));
  }
}

const all = (stderr: string): string => stderr;

async function* once(chunk: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield chunk;
}
