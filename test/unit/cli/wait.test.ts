import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import { type WaitEnd, type WaitTarget, waitForEnd } from '../../../src/cli/wait.ts';
import { type Objects, ObjectsError } from '../../../src/cluster/objects.ts';
import type { Resource } from '../../../src/cluster/resource.ts';

interface Story {
  /** What the looks see, one after the other; the last one stays. */
  looks: (object | undefined | Error)[];
  /** How far the clock goes on with every look. */
  stepMs?: number;
  timeoutMs?: number;
  live?: boolean;
  /** The person interrupts at this look, the first being 1. */
  interruptAt?: number;
}

async function wait({ looks, stepMs = 1_000, timeoutMs = 3_600_000, live = false, interruptAt }: Story) {
  const said: string[] = [];
  const shown: string[] = [];
  const stop = new AbortController();
  let nowMs = 0;
  let count = 0;
  const objects = {
    get: async () => {
      const look = looks[Math.min(count, looks.length - 1)];
      count += 1;
      nowMs += stepMs;
      if (count === interruptAt) stop.abort();
      if (look instanceof Error) throw look;
      return look === undefined ? undefined : ({ status: look } as Resource);
    },
  } as unknown as Objects;
  const target: WaitTarget = { kind: 'BackupRun', namespace: 'default', name: 'r' };
  const end: WaitEnd = await waitForEnd([target], {
    objects,
    // Time is what the looks make of it; a sleep is over at once.
    clock: { ...systemClock, nowMs: () => nowMs, after: (_ms, call) => systemClock.after(0, call) },
    timeoutMs,
    pollMs: 1,
    signal: stop.signal,
    say: (line) => said.push(line),
    ...(live && { show: (line: string) => shown.push(line) }),
  });
  return { said, shown, end };
}

const at = (plainBytes: number): object => ({
  phase: 'Running',
  progress: { step: 'dump', plainBytes, storedBytes: 512, bytesPerSecond: 1024 },
});

describe('a wait', () => {
  it('on a pipe says how far it is once a minute, and each phase once', async () => {
    const running = Array.from({ length: 150 }, (_, count) => at(count * 1024));
    const { said } = await wait({ looks: [{}, ...running, { phase: 'Succeeded' }] });
    expect(said).toEqual([
      'BackupRun r: Pending',
      'BackupRun r: Running',
      'BackupRun r: dump, 58.0 KiB done, 512 B stored, 1.0 KiB/s',
      'BackupRun r: dump, 118 KiB done, 512 B stored, 1.0 KiB/s',
      'BackupRun r: Succeeded',
    ]);
  });

  it('on a terminal shows every step in one line that is gone when something is said', async () => {
    const { said, shown } = await wait({ looks: [at(1024), at(2048), { phase: 'Succeeded' }], live: true });
    expect(said).toEqual(['BackupRun r: Running', 'BackupRun r: Succeeded']);
    expect(shown.filter((line) => line !== '')).toEqual([
      'BackupRun r: dump, 1.0 KiB done, 512 B stored, 1.0 KiB/s',
      'BackupRun r: dump, 2.0 KiB done, 512 B stored, 1.0 KiB/s',
    ]);
    expect(shown.at(-1)).toBe('');
  });

  it.each<[string, Story, string, number, RegExp]>([
    ['succeeds with the run', { looks: [{ phase: 'Succeeded' }] }, 'Succeeded', 0, /Succeeded$/],
    [
      'fails with the run, and says why and what to do',
      { looks: [{ phase: 'Failed', failure: { reason: 'StoreFull', message: 'no space', hint: 'Add space.' } }] },
      'Failed',
      1,
      /Failed, StoreFull: no space\n {2}next: Add space\.$/,
    ],
    ['fails when the run is deleted', { looks: [{}, undefined] }, 'Failed', 1, /deleted$/],
    ['ends with its time', { looks: [{}], timeoutMs: 5_000 }, 'TimedOut', 7, /the wait is over, the work goes on$/],
    ['ends with the patience of the person', { looks: [{}], interruptAt: 3 }, 'Interrupted', 130, /the work goes on$/],
    [
      'goes on when the place is away for a while',
      {
        looks: [
          {},
          new ObjectsError('Unavailable', 'away'),
          new ObjectsError('Unavailable', 'away'),
          { phase: 'Succeeded' },
        ],
      },
      'Succeeded',
      0,
      /away; it is asked again\nBackupRun r: Succeeded$/,
    ],
  ])('%s', async (_, story, outcome, exitCode, last) => {
    const { end, said } = await wait(story);
    expect(end).toMatchObject({ outcome, exitCode });
    expect(said.join('\n')).toMatch(last);
  });

  it('ends at once when the right is taken away', async () => {
    await expect(wait({ looks: [{}, new ObjectsError('Forbidden', 'no')] })).rejects.toMatchObject({
      code: 'Forbidden',
    });
  });
});
