import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { describeDuration, parseDurationMs } from '../../../src/base/duration.ts';

describe('a duration', () => {
  it.each([
    ['30s', 30_000],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['14d', 1_209_600_000],
    ['1d2h3m4s', 93_784_000],
    ['0s', 0],
  ])('%s is %d ms', (text, ms) => expect(parseDurationMs(text)).toBe(ms));

  it.each(['', '10', '10 m', '1m1h', '1h1h', '-5m', '1.5h', '5M', '10min', 'h'])(
    '%p is refused with the form that is wanted',
    (text) => {
      expect(() => parseDurationMs(text)).toThrow(
        expect.objectContaining({ reason: 'SpecInvalid', hint: expect.stringContaining('1h30m') }),
      );
    },
  );

  it('that is described can be read back, and is off by less than its second unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 10 }), (ms) => {
        const read = parseDurationMs(describeDuration(ms));
        expect(Math.abs(read - ms)).toBeLessThan(3_600_000);
      }),
    );
  });
});
