import { describe, expect, it, jest } from '@jest/globals';
import { sleep, systemClock, timestamp } from '../../../src/base/clock.ts';
import { FakeClock } from '../../harness/fake-clock.ts';

describe('sleep', () => {
  it('ends when its time has come and not before', async () => {
    const clock = new FakeClock(0);
    let over = false;
    const sleeping = sleep(clock, 1_000).then(() => {
      over = true;
    });
    await clock.advance(999);
    expect(over).toBe(false);
    await clock.advance(1);
    await sleeping;
    expect(over).toBe(true);
  });

  it('rejects with the reason of the abort, and takes its timer away', async () => {
    const clock = new FakeClock(0);
    const abort = new AbortController();
    const sleeping = sleep(clock, 1_000, abort.signal);
    abort.abort(new Error('enough'));
    await expect(sleeping).rejects.toThrow('enough');
    expect(clock.pending).toBe(0);
    await expect(sleep(clock, 1_000, abort.signal)).rejects.toThrow('enough');
    expect(clock.pending).toBe(0);
  });
});

it('a delay that is longer than a timer of the machine can wait neither fires at once nor is forgotten', () => {
  const longestMs = 2 ** 31 - 1;
  jest.useFakeTimers();
  try {
    const call = jest.fn();
    systemClock.after(2 * longestMs + 1_000, call);
    jest.advanceTimersByTime(2 * longestMs + 999);
    expect(call).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1);
    expect(call).toHaveBeenCalledTimes(1);
    const cancel = systemClock.after(longestMs + 1_000, call);
    jest.advanceTimersByTime(longestMs + 500);
    cancel();
    jest.advanceTimersByTime(1_000);
    expect(call).toHaveBeenCalledTimes(1);
  } finally {
    jest.useRealTimers();
  }
});

it('a timestamp has seconds and no fraction, as metav1.Time wants it', () => {
  expect(timestamp(Date.UTC(2026, 10, 21, 11, 41, 8, 999))).toBe('2026-11-21T11:41:08Z');
});
