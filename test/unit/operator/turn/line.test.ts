import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Entry, type Limits, lookAgainMs, nextInLine, standingOf } from '../../../../src/operator/turn/line.ts';

const free: Limits = { runs: 0, runsPerStore: 0 };

function entry(name: string, more: Partial<Entry> = {}): Entry {
  return {
    kind: 'BackupRun',
    namespace: 'prod',
    name,
    uid: `uid-${name}`,
    createdAt: '2026-03-01T12:00:00Z',
    server: name,
    store: 's',
    state: 'waiting',
    ...more,
  };
}
const restore = (name: string, more: Partial<Entry> = {}): Entry =>
  entry(name, { kind: 'RestoreRequest', store: undefined, ...more });

const one = { server: 'one' };

describe('one task at a time works on a server', () => {
  it('who finds it free claims it, and goes when nobody else did', () => {
    expect(standingOf(entry('a', one), [entry('b')], free)).toEqual({ kind: 'claim' });
    expect(standingOf(entry('a', { ...one, state: 'claiming' }), [entry('b')], free)).toEqual({ kind: 'go' });
  });

  it.each(['working', 'claiming'] as const)('who finds another one %s waits, also when older', (state) => {
    const other = entry('b', { ...one, state });
    expect(standingOf(entry('a', one), [other], free)).toMatchObject({ kind: 'wait', for: 'server', behind: other });
  });

  it('of two that claimed, the younger takes it back and the older waits for that', () => {
    const [a, b] = [entry('a', { ...one, state: 'claiming' }), entry('b', { ...one, state: 'claiming' })];
    expect(standingOf(b, [a], free)).toMatchObject({ kind: 'wait', for: 'server' });
    expect(standingOf(a, [b], free)).toEqual({ kind: 'stay' });
  });

  it('a restore goes before every backup that waits, and after one that works', () => {
    const back = restore('back', { ...one, createdAt: '2026-03-01T12:30:00Z' });
    expect(standingOf(entry('a', one), [back], free)).toMatchObject({ kind: 'wait', behind: back });
    expect(standingOf(back, [entry('a', one)], free)).toEqual({ kind: 'claim' });
    expect(standingOf(back, [entry('a', { ...one, state: 'working' })], free)).toMatchObject({ kind: 'wait' });
  });

  it('the oldest goes first, and the place says how many there are before', () => {
    const at = (name: string, minute: number) => entry(name, { ...one, createdAt: `2026-03-01T12:0${minute}:00Z` });
    const line = [at('c', 3), at('a', 1), at('b', 2)];
    expect(standingOf(at('a', 1), [at('c', 3), at('b', 2)], free)).toEqual({ kind: 'claim' });
    expect(standingOf(at('d', 4), line, free)).toMatchObject({ kind: 'wait', place: 3 });
  });
});

describe('limits', () => {
  const limits: Limits = { runs: 2, runsPerStore: 1 };

  it('hold a backup back when as many work, in all or in its store', () => {
    const [a, b] = [entry('a', { state: 'working' }), entry('b', { state: 'working', store: 't' })];
    expect(standingOf(entry('c', { store: 'u' }), [a, b], limits)).toMatchObject({ for: 'operator', place: 1 });
    expect(standingOf(entry('c'), [a], limits)).toMatchObject({ for: 'store', place: 1 });
    expect(standingOf(entry('c', { store: 'u' }), [a], limits)).toEqual({ kind: 'claim' });
  });

  it('never hold a restore back', () => {
    const full = [entry('a', { state: 'working' }), entry('b', { state: 'working', store: 't' })];
    expect(standingOf(restore('back'), full, limits)).toEqual({ kind: 'claim' });
  });

  it('let a younger one go where the older ones wait for a store of theirs', () => {
    const busy = entry('a', { state: 'working' });
    const crowd = ['b', 'c', 'd'].map((name) => entry(name));
    const other = entry('z', { store: 'u' });
    expect(standingOf(other, [busy, ...crowd], limits)).toEqual({ kind: 'claim' });
    expect(nextInLine([busy, ...crowd, other], limits)).toEqual([other]);
  });

  it('do not let a younger one have the server of one that waits for its store', () => {
    const busy = entry('a', { state: 'working' });
    const older = entry('b', { server: 'same' });
    const younger = entry('c', { server: 'same', store: 'u' });
    expect(standingOf(younger, [busy, older], limits)).toMatchObject({ for: 'server', behind: older });
  });
});

describe('the place in line', () => {
  const at = (name: string, minute: number, more: Partial<Entry> = {}) =>
    entry(name, { createdAt: `2026-03-01T12:0${minute}:00Z`, ...more });

  it('counts those before that wait for the same, and nobody else', () => {
    const limits: Limits = { runs: 0, runsPerStore: 1 };
    const line = [
      at('elsewhere', 1, { store: 'u' }),
      at('same-server', 2, { server: 'busy', store: 'u' }),
      at('other-server', 2, { server: 'also-busy' }),
      at('before', 3),
      at('other-store', 4, { store: 'v' }),
      at('behind', 6),
    ];
    const working = ['s', 'u', 'v'].map((store) => entry(`w-${store}`, { store, state: 'working' }));
    const busy = ['busy', 'also-busy'].map((server) => entry(`w-${server}`, { server, store: 'w', state: 'working' }));
    expect(standingOf(at('me', 5), [...line, ...working, ...busy], limits)).toMatchObject({ for: 'store', place: 2 });
    const same = at('me', 5, { server: 'busy' });
    expect(standingOf(same, [...line, ...working, ...busy], limits)).toMatchObject({ for: 'server', place: 2 });
    const full: Limits = { runs: 5, runsPerStore: 0 };
    expect(standingOf(at('me', 5), [...line, ...working, ...busy], full)).toMatchObject({ for: 'operator', place: 4 });
  });

  it('makes the looks rarer: 2,000 that wait look less than ten times a second, the first of them each time', () => {
    const places = Array.from({ length: 2_000 }, (_, index) => index + 1);
    const perSecond = places.map((place) => 1_000 / lookAgainMs(place, 30_000));
    expect(perSecond.reduce((sum, each) => sum + each, 0)).toBeLessThan(10);
    expect(lookAgainMs(1, 30_000)).toBe(30_000);
    expect(lookAgainMs(70_000, 30_000)).toBe(600_000);
  });
});

interface Actor {
  entry: Entry;
  /** What it saw, until it acts on it: others write in between. */
  seen: Entry[] | undefined;
  /** Others see it from then on: one that is made later may still come before them in line. */
  isThere: boolean;
  isOver: boolean;
}

const actorArbitrary = fc.record({
  kind: fc.constantFrom<Entry['kind']>('BackupRun', 'BackupRun', 'BackupRun', 'RestoreRequest'),
  server: fc.constantFrom('s1', 's1', 's2', 's3', 's4', 's5', 's6'),
  store: fc.constantFrom('t1', 't2'),
  second: fc.integer({ min: 0, max: 3 }),
});
type Draft = { kind: Entry['kind']; server: string; store: string; second: number };
const draftsArbitrary = fc.array(actorArbitrary, { minLength: 2, maxLength: 12 });

const actorOf = (name: string, { kind, server, store, second }: Draft): Actor => ({
  entry: {
    ...entry(name, { kind, server, createdAt: `2026-03-01T12:00:0${second}Z` }),
    store: kind === 'BackupRun' ? store : undefined,
  },
  seen: undefined,
  isThere: true,
  isOver: false,
});
const actorsOf = (drafts: readonly Draft[]): Actor[] =>
  drafts.map((draft, at) => actorOf(`e${String(at).padStart(2, '0')}`, draft));

const limitsArbitrary = fc.record({
  runs: fc.integer({ min: 0, max: 3 }),
  runsPerStore: fc.integer({ min: 0, max: 2 }),
});
const movesArbitrary = fc.array(fc.tuple(fc.nat(99), fc.constantFrom('step', 'step', 'step', 'step', 'end', 'die')), {
  minLength: 20,
  maxLength: 120,
});

const look = (actor: Actor, all: readonly Actor[]): void => {
  actor.isThere = true;
  actor.seen = all
    .filter((other) => other !== actor && other.isThere && !other.isOver)
    .map(({ entry: seen }) => ({ ...seen }));
};

/** What the status says next: as the operator writes it, on what it saw a while ago. */
function act(actor: Actor, limits: Limits): void {
  const { seen, entry: me } = actor;
  actor.seen = undefined;
  if (seen === undefined || me.state === 'working') return;
  const { kind } = standingOf(me, seen, limits);
  const state = { go: 'working', claim: 'claiming', stay: me.state, wait: 'waiting' }[kind] as Entry['state'];
  actor.entry = { ...me, state };
}

function expectWithinLimits(all: readonly Actor[], limits: Limits): void {
  const working = all.filter((actor) => !actor.isOver && actor.entry.state === 'working').map((actor) => actor.entry);
  const servers = working.map(({ server }) => server);
  expect(new Set(servers).size).toBe(servers.length);
  const runs = working.filter(({ kind }) => kind === 'BackupRun');
  if (limits.runs > 0) expect(runs.length).toBeLessThanOrEqual(limits.runs);
  for (const store of ['t1', 't2'])
    if (limits.runsPerStore > 0)
      expect(runs.filter((run) => run.store === store).length).toBeLessThanOrEqual(limits.runsPerStore);
}

function play(actors: Actor[], limits: Limits, moves: readonly (readonly [number, string])[]): void {
  for (const [index, move] of moves) {
    const actor = actors[index % actors.length]!;
    if (actor.isOver) continue;
    if (move === 'step' && actor.seen === undefined) look(actor, actors);
    else if (move === 'step') act(actor, limits);
    // The operator is killed: what it had seen is lost, what it had written stays.
    if (move === 'die') for (const each of actors) each.seen = undefined;
    if (move === 'end' && actor.entry.state === 'working') actor.isOver = true;
    expectWithinLimits(actors, limits);
  }
}

describe('whatever the order in which they look and write, and wherever the operator dies', () => {
  it('two never work on one server, and never more than the limits say', () => {
    // Few of them, so that they meet.
    const few = fc.array(actorArbitrary, { minLength: 2, maxLength: 4 });
    fc.assert(
      fc.property(few, limitsArbitrary, movesArbitrary, (drafts, limits, moves) => {
        const actors = actorsOf(drafts).map((actor) => ({ ...actor, isThere: false }));
        play(actors, limits, moves);
      }),
      { numRuns: 1_000 },
    );
  });

  it('everybody has worked in the end, as long as those who work end', () => {
    fc.assert(
      fc.property(draftsArbitrary, limitsArbitrary, movesArbitrary, (drafts, limits, moves) => {
        const actors = actorsOf(drafts);
        play(actors, limits, moves);
        // Each round lets everybody look and act, all at once or one after the other, and one task end.
        for (let round = 0; round < actors.length * 4; round += 1) {
          if (round % 2 === 0) for (const actor of actors) if (!actor.isOver) look(actor, actors);
          for (const actor of actors) {
            if (actor.isOver) continue;
            if (round % 2 === 1) look(actor, actors);
            act(actor, limits);
            expectWithinLimits(actors, limits);
          }
          const ending = actors.find((actor) => !actor.isOver && actor.entry.state === 'working');
          if (ending !== undefined) ending.isOver = true;
        }
        expect(actors.filter((actor) => !actor.isOver)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('those who wait are called exactly when a look of theirs would end in a claim', () => {
    const stateArbitrary = fc.constantFrom<Entry['state']>('waiting', 'waiting', 'waiting', 'claiming', 'working');
    fc.assert(
      fc.property(draftsArbitrary, fc.infiniteStream(stateArbitrary), limitsArbitrary, (drafts, states, limits) => {
        const entries = actorsOf(drafts).map((actor) => ({ ...actor.entry, state: states.next().value }));
        const waiting = entries.filter(({ state }) => state === 'waiting');
        const wouldClaim = waiting.filter(
          (me) =>
            standingOf(
              me,
              entries.filter((other) => other !== me),
              limits,
            ).kind === 'claim',
        );
        expect(nextInLine(entries, limits).filter(({ state }) => state === 'waiting')).toEqual(wouldClaim);
      }),
      { numRuns: 500 },
    );
  });

  it('those who are called are enough: nobody is left waiting for a look that nothing asks for', () => {
    fc.assert(
      fc.property(draftsArbitrary, limitsArbitrary, (drafts, limits) => {
        const actors = actorsOf(drafts);
        for (const actor of actors) {
          look(actor, actors);
          act(actor, limits);
        }
        for (let rounds = 0; actors.some(({ isOver }) => !isOver); rounds += 1) {
          expect(rounds).toBeLessThan(actors.length * 4);
          const open = actors.filter(({ isOver }) => !isOver);
          const called = nextInLine(
            open.map((actor) => actor.entry),
            limits,
          );
          for (const { uid } of called) {
            const actor = actors.find((each) => each.entry.uid === uid)!;
            look(actor, actors);
            act(actor, limits);
          }
          const ending = open.find((actor) => actor.entry.state === 'working');
          if (ending !== undefined) ending.isOver = true;
        }
      }),
      { numRuns: 300 },
    );
  });

  it('the oldest is never passed for ever: with more coming all the time, it works after those before it have ended', () => {
    fc.assert(
      fc.property(draftsArbitrary, limitsArbitrary, actorArbitrary, (drafts, limits, old) => {
        const backup: Draft = { ...old, kind: 'BackupRun' };
        // Younger backups only: restores go before.
        const younger = actorsOf(drafts.map((draft) => ({ ...draft, kind: 'BackupRun' })));
        const first = actorOf('first', backup);
        first.entry.createdAt = '2026-02-01T00:00:00Z';
        const all = [...younger, first];
        const atWork: Actor[] = [];
        for (let round = 0; first.entry.state !== 'working'; round += 1) {
          expect(round).toBeLessThan(all.length * 4);
          // The younger ones look first each time. The longest at work ends, and at once another one is there in its place.
          for (const actor of all) {
            if (round === 0 && actor === first) continue;
            look(actor, all);
            act(actor, limits);
            const isNew = actor !== first && actor.entry.state === 'working' && !atWork.includes(actor);
            if (isNew) atWork.push(actor);
          }
          const ended = atWork.shift();
          if (ended !== undefined) ended.entry = { ...ended.entry, state: 'waiting' };
        }
      }),
      { numRuns: 300 },
    );
  });
});
