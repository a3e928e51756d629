import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  timeoutMs: number;
  intervalMs?: number;
  /** Told to the reader of the failure: the last lines of a log, the state of an object. */
  explain?: () => string | Promise<string>;
}

/** Asks until `condition` answers something that is not false, null or undefined. A throw counts as "not yet". */
export async function waitFor<T>(
  what: string,
  condition: () => Promise<T | false | null | undefined> | T | false | null | undefined,
  options: WaitOptions,
): Promise<T> {
  const deadline = performance.now() + options.timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await condition();
      if (answer !== false && answer !== null && answer !== undefined) return answer;
      last = undefined;
    } catch (thrown) {
      last = thrown;
    }
    if (performance.now() > deadline) {
      const why = last instanceof Error ? `: ${last.message}` : '';
      const more = options.explain === undefined ? '' : `\n${await options.explain()}`;
      throw new Error(`${what} did not come true within ${options.timeoutMs / 1000} s${why}${more}`);
    }
    await sleep(options.intervalMs ?? 100);
  }
}
