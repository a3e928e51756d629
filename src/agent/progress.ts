import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Progress, TaskStep } from '../contract/progress.ts';
import { Meter } from '../stream/meter.ts';

const everyMs = 2_000;

/** Tells people how far a task is: never more often than every two seconds, and never in the way of the work. */
export class ProgressWriter {
  readonly plain: Meter;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #write: (progress: Progress) => Promise<void>;
  #step: TaskStep | 'begin' = 'begin';
  #storedBytes = 0;
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

  /** Ends when nothing is being written any more. */
  async close(): Promise<void> {
    this.#cancel();
    await this.#writing;
  }

  #arm(): void {
    this.#cancel = this.#clock.after(
      everyMs,
      () => {
        // A view that cannot be written is no reason to fail a backup.
        this.#writing = this.#write(this.#now()).catch(() => {});
        this.#arm();
      },
      { holdsProcess: false },
    );
  }

  #now(): Progress {
    return {
      atMs: this.#clock.nowMs(),
      step: this.#step,
      plainBytes: this.plain.bytes,
      storedBytes: this.#storedBytes,
      bytesPerSecond: Math.round(this.plain.bytesPerSecond),
    };
  }
}
