import { type Backoff, backoffDelayMs } from '../base/backoff.ts';
import { type Clock, sleep } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';

const backoff: Backoff = { firstMs: 200, factor: 2, capMs: 10_000 };

// A store that has never answered is most likely a wrong address: say so after some 4 s. One that did answer gets some
// 30 s, because a restart of it must not cost a backup of hours.
const triesBeforeFirstAnswer = 5;
const triesAfterwards = 9;

export interface RetryRules {
  clock: Clock;
  log?: Logger | undefined;
  /** Whether the same request may succeed in a moment. */
  mayHeal: (thrown: unknown) => boolean;
}

/**
 * Repeats single requests. It is the only place that does (the driver's SDK is told not to), and it repeats requests,
 * never a stream: whatever is passed in must give the same request each time it is called.
 */
export class Retry {
  readonly #rules: RetryRules;
  #answered = false;

  constructor(rules: RetryRules) {
    this.#rules = rules;
  }

  /** Throws what the last try threw, or the signal's reason. */
  async run<T>(what: string, request: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let failures = 1; ; failures += 1) {
      try {
        const answer = await request();
        this.#answered = true;
        return answer;
      } catch (thrown) {
        signal?.throwIfAborted();
        if (!this.#rules.mayHeal(thrown)) throw thrown;
        await this.pauseAfterBreak(what, failures, thrown, signal);
      }
    }
  }

  /** Waits before the next try after `failures` in a row; throws `thrown` when they were too many. */
  async pauseAfterBreak(what: string, failures: number, thrown: unknown, signal?: AbortSignal): Promise<void> {
    const { clock, log } = this.#rules;
    if (failures >= (this.#answered ? triesAfterwards : triesBeforeFirstAnswer)) throw thrown;
    const delayMs = backoffDelayMs(backoff, failures, Math.random());
    const cause = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
    log?.warn({ what, failures, delayMs: Math.round(delayMs), cause }, 'the store will be asked again');
    await sleep(clock, delayMs, signal);
  }
}
