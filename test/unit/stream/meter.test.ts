import { describe, expect, it } from '@jest/globals';
import type { Clock } from '../../../src/base/clock.ts';
import { Meter, metered } from '../../../src/stream/meter.ts';
import { bytesOf, readAll, rows } from './bytes-of.ts';

function handClock(): Clock & { ms: number } {
  return {
    ms: 1_000_000,
    nowMs() {
      return this.ms;
    },
    monotonicMs() {
      return this.ms;
    },
    after: () => () => {},
  };
}

describe('a meter', () => {
  it('counts what passes and changes nothing', async () => {
    const meter = new Meter(handClock());
    expect(await readAll(metered(bytesOf(rows(1000), 7), meter))).toEqual(rows(1000));
    expect(meter.bytes).toBe(1000);
  });

  it('gives the rate since the start while the window is not full', () => {
    const clock = handClock();
    const meter = new Meter(clock, 10_000);
    expect(meter.bytesPerSecond).toBe(0);
    for (let second = 0; second < 4; second += 1) {
      clock.ms += 1000;
      meter.add(500);
    }
    expect(meter.bytesPerSecond).toBe(500);
  });

  it('forgets what is older than its window', () => {
    const clock = handClock();
    const meter = new Meter(clock, 10_000);
    for (let second = 0; second < 100; second += 1) {
      clock.ms += 1000;
      meter.add(second < 80 ? 9000 : 100);
    }
    expect(meter.bytesPerSecond).toBeGreaterThan(90);
    expect(meter.bytesPerSecond).toBeLessThan(120);
    expect(meter.bytes).toBe(80 * 9000 + 20 * 100);
  });

  it('falls to nothing when nothing comes', () => {
    const clock = handClock();
    const meter = new Meter(clock, 10_000);
    clock.ms += 1000;
    meter.add(1000);
    clock.ms += 60_000;
    expect(meter.bytesPerSecond).toBe(0);
  });

  it('goes on when the clock is set back', () => {
    const clock = handClock();
    const meter = new Meter(clock, 10_000);
    clock.ms += 5000;
    meter.add(1000);
    clock.ms -= 600_000;
    meter.add(1000);
    clock.ms += 2000;
    expect(meter.bytesPerSecond).toBe(500);
  });
});
