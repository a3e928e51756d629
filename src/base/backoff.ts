export interface Backoff {
  firstMs: number;
  factor: number;
  capMs: number;
}

/**
 * How long to wait before try number `failures` + 1, with full jitter: a delay anywhere between half of the step and
 * the whole of it, so that clients that failed together do not come back together.
 * `random` is in [0, 1) and is passed in so that the function stays pure.
 */
export function backoffDelayMs({ firstMs, factor, capMs }: Backoff, failures: number, random: number): number {
  const stepMs = Math.min(capMs, firstMs * factor ** Math.max(0, failures - 1));
  return stepMs / 2 + (stepMs / 2) * random;
}
