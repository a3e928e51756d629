import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { pino } from 'pino';
import { sleep } from '../../../src/base/clock.ts';
import { conditionsIn } from '../../../src/cluster/conditions.ts';
import { type Reconciler, runController, type Trigger } from '../../../src/cluster/controller.ts';
import { type Instruments, noInstruments } from '../../../src/cluster/instruments.ts';
import { ObjectsError } from '../../../src/cluster/objects.ts';
import { done, after as goesOn, type Outcome, waiting } from '../../../src/cluster/outcome.ts';
import type { Resource } from '../../../src/cluster/resource.ts';
import { FakeClock } from '../../harness/fake-clock.ts';
import { MemoryObjects, sampleRun } from './memory-objects.ts';

describe('a controller', () => {
  let clock: FakeClock;
  let objects: MemoryObjects;
  let stop: AbortController;
  let ended: Promise<void>;
  let visits: number;

  beforeEach(() => {
    clock = new FakeClock();
    objects = new MemoryObjects(sampleRun());
    stop = new AbortController();
    visits = 0;
  });
  afterEach(async () => {
    stop.abort();
    await ended;
  });

  function run(
    reconcile: (object: Resource, signal: AbortSignal) => Promise<Outcome> | Outcome,
    triggers: Trigger[] = [],
  ): void {
    const reconciler: Reconciler = {
      kind: 'BackupRun',
      triggers,
      async reconcile(object, { signal }) {
        visits++;
        return { outcome: await reconcile(object, signal) };
      },
    };
    const log = pino({ level: 'silent' });
    ended = runController({ reconciler, objects, clock, random: () => 0.5, log }, stop.signal);
  }

  it('visits what there is once, and not because of its own status write', async () => {
    run(() => done('Succeeded', 'x'));
    await clock.advance(60_000);
    expect(visits).toBe(1);
    expect(objects.writes).toBe(1);
  });

  it('is not visited because of its own status write when the watch brings it late', async () => {
    objects.deliver = (call) => void clock.after(50, call);
    run(() => done('Succeeded', 'x'));
    await clock.advance(1_000);
    expect([visits, objects.writes]).toEqual([1, 1]);
  });

  it('visits an object that changed, and one that changed while it was worked on', async () => {
    let release = (): void => undefined;
    run(async () => {
      if (visits === 1)
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      return done('Succeeded', 'x');
    });
    await clock.advance(0);
    objects.set({ spec: { changed: 1 } });
    await clock.advance(0);
    expect(visits).toBe(1);
    release();
    await clock.advance(1_000);
    expect(visits).toBe(2);
    objects.set({ spec: { changed: 2 } });
    await clock.advance(0);
    expect(visits).toBe(3);
  });

  it('comes back when the outcome asks for it', async () => {
    run(() =>
      visits === 1
        ? goesOn(0, 'Starting', 'x')
        : visits === 2
          ? waiting('SecretMissing', 'x', 500)
          : done('Succeeded', 'x', 2_000),
    );
    await clock.advance(0);
    expect(visits).toBe(2);
    await clock.advance(500);
    expect(visits).toBe(3);
    await clock.advance(2_000);
    expect(visits).toBe(4);
  });

  it('backs off from what fails each time right after its intent was written', async () => {
    run(() => {
      if (visits % 2 === 0) throw new Error('not this time either');
      return goesOn(0, 'Pending', 'its turn has come');
    });
    await clock.advance(60_000);
    // 5 ms, 10 ms, and so on: 2 visits each time. Without a pause that grows there are thousands.
    expect(visits).toBeLessThan(40);
  });

  it('turns a reconcile that throws into a condition and a backoff, never into a crash or a hot loop', async () => {
    run(() => {
      throw new Error(`boom number ${visits}`);
    });
    await clock.advance(100);
    expect(conditionsIn(objects.object?.status)).toContainEqual(
      expect.objectContaining({
        type: 'Reconciling',
        status: 'True',
        reason: 'Internal',
        message: expect.stringContaining('boom'),
      }),
    );
    // 5 ms doubled at each failure: seven visits fit into a second with the jitter of this test, not hundreds.
    await clock.advance(900);
    expect(visits).toBeGreaterThan(4);
    expect(visits).toBeLessThan(12);
  });

  it('says nothing about an API that is away and stays away as long as asked', async () => {
    objects.failures.push(new ObjectsError('Unavailable', 'overloaded', { retryAfterMs: 10_000 }));
    run(() => done('Succeeded', 'x'));
    await clock.advance(9_999);
    expect([visits, objects.writes]).toEqual([0, 0]);
    await clock.advance(1);
    expect([visits, objects.writes]).toEqual([1, 1]);
  });

  it('decides again when somebody wrote the object meanwhile', async () => {
    run((object) => {
      if (visits === 1) objects.set({ spec: { changed: true } });
      return done('Succeeded', JSON.stringify(object.spec));
    });
    await clock.advance(1_000);
    expect(conditionsIn(objects.object?.status)[0]?.message).toBe('{"changed":true}');
  });

  it('visits what a trigger names', async () => {
    let enqueue: (key: { namespace: string; name: string }) => void = () => undefined;
    run(
      () => done('Succeeded', 'x'),
      [
        async (call) => {
          enqueue = call;
        },
      ],
    );
    await clock.advance(0);
    enqueue({ namespace: 'prod', name: 'run' });
    await clock.advance(0);
    expect(visits).toBe(2);
    enqueue({ namespace: 'prod', name: 'run' });
    await clock.advance(0);
    expect(visits).toBe(3);
  });

  it('looks at everything every ten minutes', async () => {
    run(() => done('Succeeded', 'x'));
    await clock.advance(599_999);
    expect(visits).toBe(1);
    await clock.advance(1);
    expect(visits).toBe(2);
  });

  it('tells how each visit ended, how long it took, and how many objects wait', async () => {
    const ends: [string, number][] = [];
    let depth = (): number => -1;
    const reconcile = jest.fn<() => Promise<Outcome>>();
    reconcile.mockImplementationOnce(async () => {
      await sleep(clock, 700);
      return goesOn(1_000, 'Running', 'x');
    });
    reconcile.mockRejectedValueOnce(new ObjectsError('Unavailable', 'away', { retryAfterMs: 60_000 }));
    const reconciler: Reconciler = { kind: 'BackupRun', reconcile: async () => ({ outcome: await reconcile() }) };
    const instruments: Instruments = {
      ...noInstruments,
      reconciled: (_kind, outcome, ms) => ends.push([outcome, ms]),
      queueMade: (_kind, ask) => {
        depth = ask;
      },
    };
    const log = pino({ level: 'silent' });
    ended = runController({ reconciler, objects, clock, random: () => 0.5, log, instruments }, stop.signal);
    await clock.advance(10_000);
    expect(ends).toEqual([
      ['after', 700],
      ['error', 0],
    ]);
    expect(depth()).toBe(0);
  });

  it('waits for running reconciles when it is stopped, and tells them', async () => {
    let told = false;
    let release = (): void => undefined;
    run(async (_object, signal) => {
      signal.addEventListener('abort', () => {
        told = true;
      });
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return done('Succeeded', 'x');
    });
    await clock.advance(0);
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    stop.abort();
    await clock.advance(1_000);
    expect([told, isOver]).toEqual([true, false]);
    release();
    await clock.advance(0);
    expect(isOver).toBe(true);
    expect(objects.writes).toBe(1);
  });

  it('fails when the first list fails, and leaves nothing running', async () => {
    objects.watch = () => Promise.reject(new ObjectsError('Forbidden', 'no right to list'));
    run(() => done('Succeeded', 'x'));
    await expect(ended).rejects.toMatchObject({ code: 'Forbidden' });
    ended = Promise.resolve();
    expect(clock.pending).toBe(0);
  });
});
