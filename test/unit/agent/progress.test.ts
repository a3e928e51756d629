import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { ProgressWriter } from '../../../src/agent/progress.ts';
import { newestProgressIn, type Progress } from '../../../src/contract/progress.ts';
import { FakeClock } from '../../harness/fake-clock.ts';

function writer(write: (progress: Progress) => Promise<void> = async () => {}) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = pino({}, { write: (text: string) => void lines.push(text) });
  return { clock, lines, progress: new ProgressWriter(clock, log, write) };
}

describe('the progress that an agent tells', () => {
  it('goes into its log every ten seconds, where an operator finds it', async () => {
    const { clock, lines, progress } = writer();
    progress.step('replay');
    progress.total(100);
    progress.plain.add(40);
    progress.stored(7);
    await clock.advance(60_000);
    await progress.close();
    expect(lines.filter((line) => line.includes('"progress"'))).toHaveLength(6);
    const expected = { step: 'replay', plainBytes: 40, storedBytes: 7, totalBytes: 100, bytesPerSecond: 0 };
    expect(newestProgressIn(lines.join(''))).toMatchObject(expected);
  });

  it('goes into its file every two seconds, and one that cannot be written stops nothing', async () => {
    let writes = 0;
    const { clock, lines, progress } = writer(async () => {
      writes += 1;
      throw new Error('no space left');
    });
    await clock.advance(60_000);
    await progress.close();
    expect(writes).toBe(30);
    expect(lines).toHaveLength(6);
  });
});
