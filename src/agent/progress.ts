import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Progress, TaskStep } from '../contract/progress.ts';
import { Meter } from '../stream/meter.ts';

const everyMs = 2_000;
// A line of the log stays where a file is replaced: a night's backup leaves a thousand of them and not ten thousand.
const logEveryMs = 10_000;

/**
 * Tells people how far a task is, in a file every two seconds and in the log every ten, and never in the way of the work.
 */
export class ProgressWriter {
  readonly plain: Meter;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #write: (progress: Progress) => Promise<void>;
  #step: TaskStep | 'begin' = 'begin';
  #storedBytes = 0;
  #totalBytes: number | undefined;
  #loggedAtMs = 0;
  #cancel: () => void = () => {};
  #writing: Promise<void> = Promise.resolve();

  constructor(clock: Clock, log: Logger, write: (progress: Progress) => Promise<void>) {
    this.#clock = clock;
    this.#log = log;
    this.#write = write;
    this.plain = new Meter(clock);
    this.#arm();
  }

  step(name: TaskStep): void {
    this.#step = name;
    this.#log.info({ step: name }, 'step');
  }

  /** Bytes of finished objects and of the one under way. */
  stored(bytes: number): void {
    this.#storedBytes = bytes;
  }

  /** Plain bytes of the whole, once they are known. */
  total(bytes: number): void {
    this.#totalBytes = bytes;
  }

  /** Ends when nothing is being written any more. */
  async close(): Promise<void> {
    this.#cancel();
    await this.#writing;
  }

  #arm(): void {
    this.#cancel = this.#clock.after(
      everyMs,
      () => {
        const progress = this.#now();
        this.#tell(progress);
        // A view that cannot be written is no reason to fail a backup.
        this.#writing = this.#write(progress).catch(() => {});
        this.#arm();
      },
      { holdsProcess: false },
    );
  }

  #tell(progress: Progress): void {
    const sinceMs = progress.atMs - this.#loggedAtMs;
    // A clock that was set back must not silence it for as long.
    if (sinceMs >= 0 && sinceMs < logEveryMs) return;
    this.#loggedAtMs = progress.atMs;
    this.#log.info({ progress }, 'progress');
  }

  #now(): Progress {
    return {
      atMs: this.#clock.nowMs(),
      step: this.#step,
      plainBytes: this.plain.bytes,
      storedBytes: this.#storedBytes,
      bytesPerSecond: Math.round(this.plain.bytesPerSecond),
      ...(this.#totalBytes !== undefined && { totalBytes: this.#totalBytes }),
    };
  }
}
