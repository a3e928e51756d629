/** Time as the code sees it; a fake one in tests. The only place that reads the machine's clock. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Milliseconds since some moment: only moves forward, whoever sets the machine's time. For measuring, not for telling. */
  monotonicMs(): number;
  /**
   * Calls back once after `delayMs`; the answer cancels it. With `holdsProcess: false` a pending call does not keep
   * the process alive.
   */
  after(delayMs: number, call: () => void, options?: { holdsProcess?: boolean }): () => void;
}

// setTimeout takes 32 bits: a longer delay would fire at once.
const longestMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, call, options) {
    let timer: NodeJS.Timeout;
    const arm = (restMs: number): void => {
      timer = setTimeout(() => (restMs > longestMs ? arm(restMs - longestMs) : call()), Math.min(restMs, longestMs));
      if (options?.holdsProcess === false) timer.unref();
    };
    arm(Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** RFC 3339 with seconds, the form of Kubernetes' metav1.Time: fractions would be refused there. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
