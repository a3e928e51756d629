import { beforeEach, describe, expect, it } from '@jest/globals';
import { createQueue, type WorkQueue } from '../../../src/cluster/queue.ts';
import { FakeClock } from '../../harness/fake-clock.ts';

describe('the work queue', () => {
  let clock: FakeClock;
  let queue: WorkQueue;
  /** What could be taken and is taken now. */
  let taken: string[];

  beforeEach(() => {
    clock = new FakeClock();
    queue = createQueue(clock, () => 1, { firstMs: 100, factor: 2, capMs: 1_000 });
    taken = [];
  });

  /** One worker: takes a key, notes it, and holds it until `finish`. */
  const takeOne = (): void => void queue.take().then((key) => taken.push(key ?? 'closed'));

  it('makes one visit of many calls', async () => {
    for (let at = 0; at < 5; at++) queue.add('a');
    queue.add('b');
    for (let at = 0; at < 3; at++) takeOne();
    await clock.advance(0);
    expect(taken).toEqual(['a', 'b']);
  });

  it('gives a key to one worker at a time, and brings it back when it was added meanwhile', async () => {
    queue.add('a');
    takeOne();
    takeOne();
    await clock.advance(0);
    queue.add('a');
    queue.add('a');
    await clock.advance(0);
    expect(taken).toEqual(['a']);
    queue.finish('a');
    await clock.advance(0);
    expect(taken).toEqual(['a', 'a']);
    queue.finish('a');
    takeOne();
    await clock.advance(0);
    expect(taken).toEqual(['a', 'a']);
  });

  it('brings a key later, at the earliest of the times that were asked for', async () => {
    takeOne();
    queue.addAfter('a', 500);
    queue.addAfter('a', 200);
    queue.addAfter('a', 900);
    await clock.advance(199);
    expect(taken).toEqual([]);
    await clock.advance(1);
    expect(taken).toEqual(['a']);
    expect(clock.pending).toBe(0);
  });

  it('forgets a later visit when the key is taken before', async () => {
    queue.addAfter('a', 500);
    queue.add('a');
    takeOne();
    await clock.advance(0);
    queue.finish('a');
    takeOne();
    await clock.advance(1_000);
    expect(taken).toEqual(['a']);
  });

  it('keeps a later visit that was asked for while the key is worked on', async () => {
    queue.add('a');
    takeOne();
    await clock.advance(0);
    queue.addAfter('a', 300);
    queue.finish('a');
    takeOne();
    await clock.advance(300);
    expect(taken).toEqual(['a', 'a']);
  });

  it('waits longer after each failure up to the cap, and as at first after a success', async () => {
    const delays: number[] = [];
    const failOnce = async (): Promise<void> => {
      takeOne();
      const beforeMs = clock.nowMs();
      const count = taken.length;
      queue.addBackoff('a');
      while (taken.length === count) await clock.advance(1);
      delays.push(clock.nowMs() - beforeMs);
      queue.finish('a');
    };
    for (let at = 0; at < 5; at++) await failOnce();
    queue.forget('a');
    await failOnce();
    expect(delays).toEqual([100, 200, 400, 800, 1_000, 100]);
  });

  it('stays away as long as the server asked', async () => {
    takeOne();
    queue.addBackoff('a', 5_000);
    await clock.advance(4_999);
    expect(taken).toEqual([]);
    await clock.advance(1);
    expect(taken).toEqual(['a']);
  });

  it('spreads keys that failed together', async () => {
    const draws = [0, 0.5, 0.999];
    queue = createQueue(clock, () => draws.shift() ?? 0, { firstMs: 100, factor: 2, capMs: 1_000 });
    const at: number[] = [];
    for (const key of ['a', 'b', 'c']) {
      void queue.take().then(() => at.push(clock.nowMs()));
      queue.addBackoff(key);
    }
    await clock.advance(100);
    expect(new Set(at).size).toBe(3);
  });

  it('ends those who wait when it is closed, and takes nothing more', async () => {
    takeOne();
    queue.addAfter('a', 10);
    queue.close();
    queue.add('b');
    queue.addAfter('c', 10);
    takeOne();
    await clock.advance(100);
    expect(taken).toEqual(['closed', 'closed']);
    expect(clock.pending).toBe(0);
  });

  it('counts the keys that wait for a worker, not those that are worked on or come later', async () => {
    const queue = createQueue(clock, () => 0.5);
    for (const key of ['a', 'b', 'c', 'a']) queue.add(key);
    queue.addAfter('later', 1_000);
    expect(queue.depth()).toBe(3);
    await queue.take();
    expect(queue.depth()).toBe(2);
    queue.close();
    expect(queue.depth()).toBe(0);
  });
});
