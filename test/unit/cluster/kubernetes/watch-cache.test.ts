import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isNewer } from '../../../../src/cluster/kubernetes/version.ts';
import { WatchCache } from '../../../../src/cluster/kubernetes/watch-cache.ts';
import type { ObjectChange } from '../../../../src/cluster/objects.ts';
import type { Metadata, Resource } from '../../../../src/cluster/resource.ts';

const run = (name: string, version: number, more: Partial<Metadata> & { policy?: string } = {}): Resource => {
  const { policy = 'shop', ...metadata } = more;
  return {
    apiVersion: 'backstay.dev/v1alpha1',
    kind: 'BackupRun',
    metadata: {
      name,
      namespace: 'prod',
      uid: `uid-${name}`,
      resourceVersion: String(version),
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...metadata,
    },
    spec: { policyName: policy },
  };
};
const keyOf = (name: string) => ({ namespace: 'prod', name });

/** A cache, and what a listener was told of it. */
function listened() {
  const cache = new WatchCache();
  const told: string[] = [];
  const signal = new AbortController().signal;
  cache.subscribe(
    ({ type, object: { metadata } }) => told.push(`${type} ${metadata.name}@${metadata.resourceVersion}`),
    signal,
  );
  return { cache, told, versionOf: (name: string) => cache.get(keyOf(name))?.metadata.resourceVersion };
}

describe('versions', () => {
  it('are ordered as numbers, however long', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 80n), fc.bigInt(1n, 2n ** 80n), (a, b) => {
        expect(isNewer(String(a), String(b))).toBe(a > b);
      }),
    );
    expect([isNewer('1', ''), isNewer('', '1'), isNewer('', '')]).toEqual([true, false, false]);
  });
});

describe('the cache of a watch', () => {
  it('holds what we wrote before the watch tells of it, and tells of it once', () => {
    const { cache, told, versionOf } = listened();
    cache.seen(run('a', 5));
    cache.reached('5');
    cache.wrote(run('a', 7));
    expect(versionOf('a')).toBe('7');
    cache.seen(run('a', 6));
    expect(versionOf('a')).toBe('7');
    cache.seen(run('a', 7));
    cache.seen(run('a', 9));
    expect(told).toEqual(['present a@5', 'present a@7', 'present a@9']);
  });

  it('takes older states for new once all was forgotten, and keeps nothing that is not told of again', () => {
    const { cache, told, versionOf } = listened();
    for (const [name, version] of [
      ['a', 900],
      ['b', 901],
      ['c', 902],
    ] as const)
      cache.seen(run(name, version));
    cache.reached('1000');
    cache.wrote(run('d', 1001));
    cache.deleted(run('c', 902));
    told.length = 0;
    cache.forgotten();
    expect(told).toEqual(['gone a@900', 'gone b@901', 'gone d@1001']);
    for (const [name, version] of [
      ['a', 500],
      ['c', 501],
    ] as const)
      cache.seen(run(name, version));
    cache.reached('600');
    expect(cache.list().map(({ metadata }) => metadata.name)).toEqual(['a', 'c']);
    cache.wrote(run('a', 601));
    expect(versionOf('a')).toBe('601');
    expect(cache.ofPolicy({ namespace: 'prod', name: 'shop' })).toHaveLength(2);
  });

  it('is not set back by an answer that comes after the watch told of something newer', () => {
    const { cache, versionOf } = listened();
    cache.seen(run('a', 9));
    cache.reached('9');
    cache.wrote(run('a', 7));
    expect(versionOf('a')).toBe('9');
  });

  it('is not set back by two answers that come in the wrong order', () => {
    const { cache, versionOf } = listened();
    cache.wrote(run('a', 8));
    cache.wrote(run('a', 7));
    expect(versionOf('a')).toBe('8');
  });

  it('does not raise an object from the dead by the answer to a write', () => {
    const { cache, versionOf } = listened();
    cache.seen(run('a', 5));
    cache.seenGone(run('a', 8));
    cache.reached('8');
    cache.wrote(run('a', 7));
    expect(versionOf('a')).toBeUndefined();
  });

  it('lets go of what it wrote when a list that is newer does not have it', () => {
    const { cache, told, versionOf } = listened();
    cache.reached('5');
    cache.wrote(run('a', 7));
    cache.reached('6');
    expect(versionOf('a')).toBe('7');
    cache.reached('20');
    expect(versionOf('a')).toBeUndefined();
    expect(told).toEqual(['present a@7', 'gone a@7']);
  });

  it('knows of a deletion of its own at once, and not of older states that still arrive', () => {
    const { cache, told, versionOf } = listened();
    cache.seen(run('a', 5));
    cache.deleted(run('a', 5));
    cache.seen(run('a', 6));
    cache.wrote(run('a', 6));
    expect(versionOf('a')).toBeUndefined();
    cache.seenGone(run('a', 8));
    cache.seen(run('a', 10, { uid: 'another' }));
    expect(told).toEqual(['present a@5', 'gone a@5', 'present a@10']);
  });

  it('takes the write that takes the last finalizer off for the end of the object', () => {
    const { cache, versionOf } = listened();
    const deletionTimestamp = '2026-01-01T00:00:01Z';
    cache.seen(run('a', 5, { deletionTimestamp, finalizers: ['backstay.dev/task'] }));
    cache.wrote(run('a', 6, { deletionTimestamp }));
    expect(versionOf('a')).toBeUndefined();
  });

  it('keeps an object apart from the one that had its name before', () => {
    const { cache, told } = listened();
    cache.seen(run('a', 5, { uid: 'old' }));
    cache.wrote(run('a', 9, { uid: 'young' }));
    cache.seen(run('a', 7, { uid: 'old' }));
    cache.seenGone(run('a', 8, { uid: 'old' }));
    expect(cache.get(keyOf('a'))?.metadata.uid).toBe('young');
    expect(told).toEqual(['present a@5', 'gone a@5', 'present a@9']);
  });

  it('finds the runs of a policy, also of one that was renamed in a run', () => {
    const { cache } = listened();
    const namesOf = (policy: string) => cache.ofPolicy(keyOf(policy)).map(({ metadata }) => metadata.name);
    cache.seen(run('a', 1));
    cache.seen(run('b', 2));
    cache.seen(run('c', 3, { policy: 'other' }));
    cache.seen(run('d', 4, { namespace: 'elsewhere' }));
    expect(namesOf('shop')).toEqual(['a', 'b']);
    cache.seen(run('b', 5, { policy: 'other' }));
    cache.seenGone(run('a', 6));
    expect([namesOf('shop'), namesOf('other'), namesOf('none')]).toEqual([[], ['c', 'b'], []]);
  });

  it('tells a listener of everything that is there, and of nothing after its end', () => {
    const cache = new WatchCache();
    cache.seen(run('a', 1));
    const told: ObjectChange[] = [];
    const stop = new AbortController();
    cache.subscribe((change) => told.push(change), stop.signal);
    stop.abort();
    cache.seen(run('b', 2));
    expect(told).toEqual([{ type: 'present', object: run('a', 1) }]);
  });

  it('remembers a bounded number of deletions', () => {
    const { cache, versionOf } = listened();
    for (let at = 0; at <= 1_000; at++) {
      cache.seen(run(`a${at}`, 5));
      cache.deleted(run(`a${at}`, 5));
    }
    cache.seen(run('a0', 5));
    cache.seen(run('a1', 5));
    expect([versionOf('a0'), versionOf('a1')]).toEqual(['5', undefined]);
  });
});

type Step =
  | { do: 'write' | 'remove'; name: string; ours: boolean }
  | { do: 'answer'; at: number }
  | { do: 'event' }
  | { do: 'relist' };

const name = fc.constantFrom('a', 'b', 'c');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('write' as const), name, ours: fc.boolean() }),
  fc.record({ do: fc.constant('remove' as const), name, ours: fc.boolean() }),
  fc.record({ do: fc.constant('answer' as const), at: fc.nat() }),
  fc.constant({ do: 'event' as const }),
  fc.constant({ do: 'event' as const }),
  fc.constant({ do: 'relist' as const }),
);

/** A server that writes in one order, and whose answers and events arrive in any. */
class Model {
  readonly cache = new WatchCache();
  readonly listener = new Map<string, string>();
  readonly #stored = new Map<string, Resource>();
  /** What the watch has still to tell. */
  #events: { type: 'present' | 'gone'; object: Resource }[] = [];
  #answers: (() => void)[] = [];
  /** What the reflector knows. */
  #known = new Map<string, Resource>();
  #version = 1;

  constructor() {
    this.cache.subscribe(({ type, object }) => {
      const { uid, resourceVersion } = object.metadata;
      if (type === 'present') this.listener.set(uid, resourceVersion);
      else this.listener.delete(uid);
    }, new AbortController().signal);
  }

  take(one: Step): void {
    if (one.do === 'write') this.#write(one.name, one.ours);
    else if (one.do === 'remove') this.#remove(one.name, one.ours);
    else if (one.do === 'event') this.#tell();
    else if (one.do === 'relist') this.relist();
    else if (one.do === 'answer')
      this.#answers.splice(one.at % Math.max(1, this.#answers.length), 1).forEach((answer) => void answer());
  }

  #write(nameOfIt: string, ours: boolean): void {
    const before = this.#stored.get(nameOfIt);
    const object = run(nameOfIt, ++this.#version, { uid: before?.metadata.uid ?? `uid-${this.#version}` });
    this.#stored.set(nameOfIt, object);
    this.#events.push({ type: 'present', object });
    if (!ours) return;
    this.#answers.push(() => {
      this.cache.wrote(object);
      const now = this.cache.get(keyOf(nameOfIt))?.metadata.resourceVersion;
      const isLatest = this.#stored.get(nameOfIt) === object;
      // Somebody else may have written since; but what we wrote is never hidden by something older.
      if (isLatest) expect(now).toBe(object.metadata.resourceVersion);
      else if (now !== undefined) expect(isNewer(object.metadata.resourceVersion, now)).toBe(false);
    });
  }

  #remove(nameOfIt: string, ours: boolean): void {
    const before = this.#stored.get(nameOfIt);
    if (before === undefined) return;
    this.#stored.delete(nameOfIt);
    this.#events.push({ type: 'gone', object: run(nameOfIt, ++this.#version, { uid: before.metadata.uid }) });
    if (ours) this.#answers.push(() => this.cache.deleted(before));
  }

  #tell(): void {
    const event = this.#events.shift();
    if (event === undefined) return;
    const { uid, resourceVersion } = event.object.metadata;
    if (event.type === 'present') this.#known.set(uid, event.object);
    else this.#known.delete(uid);
    this.#deliver(event);
    this.cache.reached(resourceVersion);
  }

  #deliver({ type, object }: { type: 'present' | 'gone'; object: Resource }): void {
    if (type === 'present') this.cache.seen(object);
    else this.cache.seenGone(object);
  }

  /** As the reflector does it: first what went, then what is new, then the position. */
  relist(): void {
    this.#events = [];
    const before = this.#known;
    this.#known = new Map([...this.#stored.values()].map((object) => [object.metadata.uid, object]));
    for (const [uid, object] of before) if (!this.#known.has(uid)) this.#deliver({ type: 'gone', object });
    for (const [uid, object] of this.#known) {
      if (before.get(uid) !== object) this.#deliver({ type: 'present', object });
    }
    this.cache.reached(String(this.#version));
  }

  /** Everything arrives. */
  settle(): void {
    while (this.#events.length > 0) this.#tell();
    for (const answer of this.#answers.splice(0)) answer();
    this.cache.reached(String(this.#version));
  }

  expectTrue(): void {
    const byUid = (objects: Iterable<Resource>) =>
      new Map([...objects].map(({ metadata }) => [metadata.uid, metadata.resourceVersion]));
    expect(byUid(this.cache.list())).toEqual(byUid(this.#stored.values()));
    expect(byUid(this.cache.ofPolicy(keyOf('shop')))).toEqual(byUid(this.#stored.values()));
    expect(this.listener).toEqual(byUid(this.#stored.values()));
  }
}

describe('whatever the order in which answers and events arrive', () => {
  it('the cache and its listeners end with what the server has, and never go behind our own writes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const model = new Model();
        for (const one of steps) model.take(one);
        model.settle();
        model.expectTrue();
      }),
      { numRuns: 2_000 },
    );
  });
});
