import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseCron } from '../../../src/api/cron.ts';
import { createIntervalOf, longestGapMs } from '../../../src/api/schedule-interval.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const spring = Date.UTC(2026, 2, 1);
const gap = (cron: string, timeZone = 'UTC', fromMs = spring) => longestGapMs(cron, timeZone, fromMs);

describe('the longest pause of a schedule', () => {
  it.each([
    ['* * * * *', 60_000],
    ['*/5 * * * *', 300_000],
    ['0,10 * * * *', 50 * 60_000],
    ['@hourly', hourMs],
    ['0 0,6 * * *', 18 * hourMs],
    ['0 2 * * *', dayMs],
    ['@daily', dayMs],
    ['0 2 * * 1-5', 3 * dayMs],
    // The pause over the weekend, in a pattern with 541 ticks a day.
    ['* 9-17 * * 1-5', 63 * hourMs + 60_000],
    ['0 2 1-20 * *', 12 * dayMs],
    ['@weekly', 7 * dayMs],
    ['0 2 1 * *', 31 * dayMs],
    ['@yearly', 365 * dayMs],
  ])('of %s is %d ms', (cron, ms) => expect(gap(cron)).toBe(ms));

  it('is an hour longer over the night on which the clocks go back, and only then', () => {
    const night = Date.UTC(2026, 9, 24, 12);
    expect(gap('0 4 * * *', 'Europe/Berlin', night)).toBe(25 * hourMs);
    expect(gap('0 4 * * *', 'Europe/Berlin', night - 7 * dayMs)).toBe(dayMs);
  });

  it('is not known of words that are no schedule, or of a day that never comes', () => {
    const ask = (cron: string, timeZone: string) => createIntervalOf()({ cron, timeZone }, spring);
    expect(ask('61 * * * *', 'UTC')).toBeUndefined();
    expect(ask('0 0 30 2 *', 'UTC')).toBeUndefined();
    expect(ask('0 2 * * *', 'Nowhere/City')).toBeUndefined();
    expect(ask('0 2 * * *', 'Europe/Berlin')).toBe(86_400);
  });

  it('is that of all ticks one after the other', () => {
    const field = (max: number) =>
      fc.oneof(
        fc.constant('*'),
        fc.uniqueArray(fc.integer({ min: 0, max }), { minLength: 1, maxLength: 3 }).map(String),
      );
    const pattern = fc.tuple(fc.integer({ min: 0, max: 59 }), field(23), field(6));
    const moment = fc.integer({ min: 0, max: 364 }).map((day) => Date.UTC(2026, 0, 1) + day * dayMs);
    fc.assert(
      fc.property(pattern, moment, fc.constantFrom('UTC', 'Europe/Berlin'), ([minute, hour, week], fromMs, zone) => {
        const cron = `${minute} ${hour} * * ${week}`;
        const all = parseCron(cron, zone);
        let longest = 0;
        let before = all.previousRuns(1, new Date(fromMs + 1000))[0] as Date;
        const untilMs = fromMs + (week === '*' ? 1 : 9) * dayMs;
        while (before.getTime() <= untilMs) {
          const next = all.nextRun(before) as Date;
          longest = Math.max(longest, next.getTime() - before.getTime());
          before = next;
        }
        const found = longestGapMs(cron, zone, fromMs) ?? 0;
        expect(found).toBe(longest);
      }),
      { numRuns: 40 },
    );
  });

  it('is the same whenever and by whoever it was first asked for on that day', () => {
    const schedule = { cron: '0 2 * * 1-5', timeZone: 'Europe/Berlin' };
    const old = createIntervalOf();
    for (let day = 0; day < 40; day++) old(schedule, spring + day * dayMs);
    for (let hour = 0; hour < 48; hour++) {
      const nowMs = spring + 40 * dayMs + hour * hourMs;
      expect(old(schedule, nowMs)).toBe(createIntervalOf()(schedule, nowMs));
    }
  });
});
