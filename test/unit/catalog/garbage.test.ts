import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chooseGarbage, garbageAfterMs, type SetOnStore } from '../../../src/catalog/garbage.ts';

const attempt = fc.constantFrom('a', 'b', 'c');
const sets = fc.array(
  fc.record<SetOnStore>({
    runUid: fc.uuid(),
    committed: fc.option(fc.oneof(attempt, fc.constant('unreadable' as const)), { nil: undefined }),
    attempts: fc.uniqueArray(
      fc.record({
        attempt,
        deadlineMs: fc.option(fc.integer({ min: 0, max: 3 * garbageAfterMs }), { nil: undefined }),
      }),
      { selector: (one) => one.attempt },
    ),
  }),
);
const now = fc.integer({ min: 0, max: 5 * garbageAfterMs });

describe('garbage', () => {
  it('is exactly what an intent says is over for 24 h and no manifest names', () => {
    fc.assert(
      fc.property(sets, now, (all, nowMs) => {
        const chosen = new Set(chooseGarbage(all, nowMs).map((one) => `${one.runUid} ${one.attempt}`));
        for (const set of all) {
          for (const one of set.attempts) {
            const over = one.deadlineMs !== undefined && nowMs > one.deadlineMs + garbageAfterMs;
            const wanted = over && set.committed !== 'unreadable' && set.committed !== one.attempt;
            expect(chosen.has(`${set.runUid} ${one.attempt}`)).toBe(wanted);
          }
        }
      }),
    );
  });

  it('never shrinks as time goes on', () => {
    fc.assert(
      fc.property(sets, now, fc.nat(), (all, nowMs, laterMs) => {
        const early = chooseGarbage(all, nowMs);
        expect(chooseGarbage(all, nowMs + laterMs)).toEqual(expect.arrayContaining(early));
      }),
    );
  });
});
