import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { nameMaxLength } from '../../../../src/api/names.ts';
import { ticksOf } from '../../../../src/operator/backup-policy/next-run.ts';
import { runName } from '../../../../src/operator/backup-policy/run-name.ts';

const at = (text: string): number => Date.parse(text);
const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString());

const cron = fc
  .tuple(
    fc.constantFrom('0', '30', '*/7', '*', '5,35'),
    fc.constantFrom('*', '2', '0', '1-3', '2,14', '*/5'),
    fc.constantFrom('*', '*', '1', '31'),
    fc.constantFrom('*', '*', '3', '10'),
    fc.constantFrom('*', '*', 'MON', '0,6'),
  )
  .map((fields) => fields.join(' '));
const timeZone = fc.constantFrom(
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Apia',
);
const moment = fc.integer({ min: at('2025-01-01T00:00:00Z'), max: at('2028-01-01T00:00:00Z') });
const gapMs = fc.oneof(fc.integer({ min: 0, max: 7_200_000 }), fc.integer({ min: 0, max: 40 * 86_400_000 }));

describe('whatever the schedule, the zone and the time', () => {
  it('the due tick is the newest one after the last, and the next one is in the future', () => {
    fc.assert(
      fc.property(cron, timeZone, moment, gapMs, (pattern, zone, nowMs, gap) => {
        const schedule = { cron: pattern, timeZone: zone };
        const lastMs = nowMs - gap;
        const { dueMs, nextMs } = ticksOf(schedule, lastMs, nowMs);
        expect(nextMs).toBeGreaterThan(nowMs);
        if (dueMs === undefined) {
          // None was missed: the first tick after the last one is the next one.
          expect(ticksOf(schedule, lastMs, lastMs).nextMs).toBe(nextMs);
          return;
        }
        expect(dueMs).toBeGreaterThan(lastMs);
        expect(dueMs).toBeLessThanOrEqual(nowMs);
        expect(ticksOf(schedule, dueMs, dueMs).nextMs).toBe(nextMs);
      }),
      { numRuns: 300, seed: 4 },
    );
  });

  it('looking at it every minute makes every tick once, in order', () => {
    fc.assert(
      fc.property(cron, timeZone, moment, (pattern, zone, fromMs) => {
        const schedule = { cron: pattern, timeZone: zone };
        let lastMs = fromMs;
        for (let nowMs = fromMs; nowMs < fromMs + 300 * 60_000; nowMs += 60_000) {
          const expected = ticksOf(schedule, lastMs, lastMs).nextMs;
          const { dueMs } = ticksOf(schedule, lastMs, nowMs);
          if (dueMs === undefined) expect(expected).toBeGreaterThan(nowMs);
          else expect(dueMs).toBe(expected);
          lastMs = dueMs ?? lastMs;
        }
      }),
      { numRuns: 15, seed: 4 },
    );
  });
});

describe('daylight saving in Berlin', () => {
  const ticks = (pattern: string, from: string, to: string): string[] => {
    const found: string[] = [];
    for (let nowMs = at(from); ; ) {
      const { nextMs } = ticksOf({ cron: pattern, timeZone: 'Europe/Berlin' }, nowMs, nowMs);
      if (nextMs === undefined || nextMs >= at(to)) return found;
      found.push(new Date(nextMs).toISOString().slice(11, 16));
      nowMs = nextMs;
    }
  };
  const spring = ['2026-03-28T22:00:00Z', '2026-03-29T05:00:00Z'] as const;
  const autumn = ['2026-10-24T21:00:00Z', '2026-10-25T05:00:00Z'] as const;

  it.each(['30 2 * * *', '30 2,14 * * *'])('%s runs at 3:00 in the night that has no 2:30', (pattern) => {
    expect(ticks(pattern, ...spring)).toEqual(['01:00']);
  });

  it.each(['30 2 * * *', '30 2,14 * * *'])('%s runs once in the night that has 2:30 twice', (pattern) => {
    expect(ticks(pattern, ...autumn)).toEqual(['00:30']);
  });

  it('an hourly schedule runs once in every hour that really passes', () => {
    expect(ticks('0 * * * *', ...autumn)).toEqual(['22:00', '23:00', '00:00', '01:00', '02:00', '03:00', '04:00']);
  });
});

it('ticks that were missed become one: the newest', () => {
  const { dueMs, nextMs } = ticksOf(
    { cron: '0 2 * * *', timeZone: 'UTC' },
    at('2026-01-01T02:00:00Z'),
    at('2026-01-09T13:00:00Z'),
  );
  expect([iso(dueMs), iso(nextMs)]).toEqual(['2026-01-09T02:00:00.000Z', '2026-01-10T02:00:00.000Z']);
});

it('a clock that jumped back makes no tick again', () => {
  expect(
    ticksOf({ cron: '@hourly', timeZone: 'UTC' }, at('2026-01-09T13:00:00Z'), at('2026-01-09T11:30:00Z')).dueMs,
  ).toBeUndefined();
});

describe('the name of a run', () => {
  const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/);

  it('is always the same, always valid, and never too long', () => {
    fc.assert(
      fc.property(name, name, moment, (policy, schedule, tickMs) => {
        const made = runName(policy, schedule, tickMs);
        expect(runName(policy, schedule, tickMs)).toBe(made);
        expect(made).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
        expect(made.length).toBeLessThanOrEqual(nameMaxLength.BackupRun);
      }),
    );
  });

  it('tells policies apart that begin with the same long words', () => {
    const long = 'a'.repeat(60);
    expect(runName(`${long}-b`, 'nightly', 0)).not.toBe(runName(`${long}-c`, 'nightly', 0));
  });

  it('says policy, schedule and minute', () => {
    expect(runName('shop', 'nightly', at('2026-11-21T02:00:00Z'))).toBe('shop-nightly-202611210200');
  });
});
