import { describe, expect, it } from '@jest/globals';
import type { Observation } from '../../../src/cluster/runner.ts';
import { progressOf } from '../../../src/operator/progress.ts';
import { defaultTimings } from '../../../src/operator/timings.ts';

const now = Date.parse('2026-03-01T12:00:00Z');
const seen = (more: object = {}): Observation => ({
  state: 'running',
  progress: { atMs: now, step: 'dump', plainBytes: 3 * 1024 ** 2, storedBytes: 5, bytesPerSecond: 1536.4, ...more },
});
const of = (observation: Observation, before?: ReturnType<typeof progressOf>) =>
  progressOf(before, observation, defaultTimings);

describe('the progress in a status', () => {
  it.each([
    ['a dump', {}, 'dump: 3.0 MiB, 1.5 KiB/s'],
    ['a restore', { step: 'replay', totalBytes: 4 * 1024 ** 2 }, 'replay: 75 % of 4.0 MiB, 1.5 KiB/s'],
    ['a restore of more than was announced', { totalBytes: 1024 }, 'dump: 100 % of 1.0 KiB, 1.5 KiB/s'],
    ['a restore of nothing', { plainBytes: 0, totalBytes: 0 }, 'dump'],
    ['what reads nothing yet', { plainBytes: 0, step: 'connect' }, 'connect'],
  ])('says of %s how far it is', (_what, more, summary) => {
    expect(of(seen(more))).toMatchObject({ at: '2026-03-01T12:00:00Z', bytesPerSecond: 1536, summary });
  });

  it('stays when there is no news of the task', () => {
    const before = of(seen());
    expect(of({ state: 'running' }, before)).toBe(before);
    expect(of({ state: 'starting' }, before)).toBe(before);
  });

  it('changes every ten seconds at most', () => {
    const before = of(seen());
    expect(of(seen({ atMs: now + 9_999 }), before)).toBe(before);
    expect(of(seen({ atMs: now + 10_000 }), before)).toMatchObject({ at: '2026-03-01T12:00:10Z' });
  });
});
