import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decide, type Notes } from '../../../../src/store/s3/claims.ts';

/** Notes whose every call takes effect at a moment that the scheduler picks, as requests of many machines do. */
function notesOn(scheduler: fc.Scheduler, names: Set<string>): Notes {
  const write = scheduler.scheduleFunction(async (name: string) => {
    names.add(name);
  });
  const list = scheduler.scheduleFunction(async (prefix: string) =>
    [...names].filter((name) => name.startsWith(prefix)).sort(),
  );
  return { write, list };
}

describe('first writer wins without conditional writes', () => {
  it('all writers agree on one of them, in whatever order their requests arrive', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 5 }), async (scheduler, count) => {
        const names = new Set<string>();
        const writers = Array.from({ length: count }, (_, i) => `w${i}`);
        const deciding = Promise.all(writers.map((me) => decide(notesOn(scheduler, names), me)));
        await scheduler.waitFor(deciding);
        const winners = new Set(await deciding);
        expect(winners.size).toBe(1);
        expect(writers).toContain([...winners][0]);
      }),
      { numRuns: 500 },
    );
  });

  it('a writer that comes after the decision, and one that died on the way, change nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 0, max: 6 }), async (scheduler, diesAfter) => {
        const names = new Set<string>();
        let left = diesAfter;
        const dying: Notes = notesOn(scheduler, names);
        const mortal = async <T>(call: () => Promise<T>): Promise<T> => {
          left -= 1;
          return left < 0 ? new Promise<never>(() => undefined) : call();
        };
        void decide(
          { write: (name) => mortal(() => dying.write(name)), list: (p) => mortal(() => dying.list(p)) },
          'dead',
        );
        const two = Promise.all(['a', 'b'].map((me) => decide(notesOn(scheduler, names), me)));
        await scheduler.waitFor(two);
        const [first, second] = await two;
        expect(second).toBe(first);
        const late = decide(notesOn(scheduler, names), 'late');
        await scheduler.waitFor(late);
        expect(await late).toBe(first);
      }),
      { numRuns: 300 },
    );
  });
});
