import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { backoffDelayMs } from '../../../src/base/backoff.ts';

const backoff = { firstMs: 100, factor: 2, capMs: 10_000 };

it('a wait stays between half of its step and the whole, and never passes the cap', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (failures, random) => {
        const stepMs = Math.min(10_000, 100 * 2 ** (failures - 1));
        const delayMs = backoffDelayMs(backoff, failures, random);
        expect(delayMs).toBeGreaterThanOrEqual(stepMs / 2);
        expect(delayMs).toBeLessThanOrEqual(stepMs);
      },
    ),
  );
});
