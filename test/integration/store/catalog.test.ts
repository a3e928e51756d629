import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import { Fault } from '../../../src/base/fault.ts';
import { findSet } from '../../../src/catalog/catalog.ts';
import { collectGarbage } from '../../../src/catalog/collect-garbage.ts';
import { encodeDocument } from '../../../src/catalog/document.ts';
import { garbageAfterMs } from '../../../src/catalog/garbage.ts';
import { type AttemptName, intentKey, manifestKey } from '../../../src/catalog/layout.ts';
import { settleLineage } from '../../../src/catalog/lineages.ts';
import { encodeManifest } from '../../../src/catalog/manifest.ts';
import { checkOwnership, claimOwnership } from '../../../src/catalog/owner.ts';
import { findRepository, openRepository } from '../../../src/catalog/repository.ts';
import { type Commit, commitSet, newAttempt, verifySetPresence, writeIntent } from '../../../src/catalog/set.ts';
import { openStore, type StoreConfig } from '../../../src/store/open-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { sampleSet } from '../../harness/sample-set.ts';
import { startS3Server } from '../../harness/versitygw.ts';
import { everything, whole } from './conformance.ts';

const nowMs = Date.UTC(2026, 0, 1, 2);
const deadlineMs = nowMs + 3_600_000;
const times = { startedAtMs: nowMs, deadlineMs };
const facts = { engine: 'PostgreSQL', systemIdentifier: '7301234567890123456' } as const;
const shop = { clusterId: 'cluster-1', namespace: 'prod', policy: 'shop' };

async function openDirectories() {
  const path = await mkdtemp(join(tmpdir(), 'backstay-catalog-'));
  return {
    fresh: async (): Promise<StoreConfig> => ({
      kind: 'filesystem',
      name: 'near',
      path: await mkdtemp(join(path, 'store-')),
    }),
    stop: () => rm(path, { recursive: true, force: true }),
  };
}

async function openBuckets() {
  const server = await startS3Server();
  server.makeBucket('bucket');
  return {
    fresh: async (): Promise<StoreConfig> => server.config('bucket', { prefix: randomUUID() }),
    stop: () => server.stop(),
  };
}

/** The store, with one of its calls failing after it took effect or before. */
function failing(store: Store, when: 'before' | 'after', error: Error): Store {
  const create: Store['create'] = async (...args) => {
    if (when === 'after') await store.create(...args);
    throw error;
  };
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'create') return create;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const setIn = (commit: Commit) => (commit.verdict === 'unknown' ? undefined : commit.set);

describe.each([
  ['a directory', openDirectories],
  ['S3', openBuckets],
])('the catalog on %s', (_, open) => {
  let place: Awaited<ReturnType<typeof open>>;
  let config: StoreConfig;
  let store: Store;
  const stores: Store[] = [];
  const another = (): Store => {
    stores.push(openStore(config, { clock: systemClock }));
    return stores.at(-1) as Store;
  };
  const keys = async (prefix = ''): Promise<string[]> => (await everything(store.list(prefix))).map(({ key }) => key);

  beforeAll(async () => {
    place = await open();
  });
  beforeEach(async () => {
    config = await place.fresh();
    store = another();
  });
  afterAll(async () => {
    for (const one of stores) await one.close();
    await place?.stop();
  });

  async function beginSet(runUid: string = randomUUID(), attempt: AttemptName['attempt'] = newAttempt()) {
    const { repositoryId } = await openRepository(store, nowMs);
    const lineage = await settleLineage(store, facts, { repositoryId, nowMs });
    const name = { lineage, runUid, attempt };
    await writeIntent(store, name, times);
    const set = sampleSet(name);
    return { name, ...set, key: manifestKey(name) };
  }
  async function writeFiles(files: { key: string; content: string }[]): Promise<void> {
    for (const { key, content } of files) await store.create(key, Buffer.from(content));
  }

  describe('the repository', () => {
    it('is begun once, however many begin it at the same moment', async () => {
      expect(await findRepository(store)).toBeUndefined();
      const all = await Promise.all(Array.from({ length: 10 }, () => openRepository(another(), nowMs)));
      expect(new Set(all.map(({ repositoryId }) => repositoryId)).size).toBe(1);
      expect(await findRepository(store)).toEqual(all[0]);
    });

    it('is refused where something else lies, and nothing is written', async () => {
      await store.create('holiday/photo.jpg', Buffer.from('x'));
      await expect(openRepository(store, nowMs)).rejects.toMatchObject({
        reason: 'SpecInvalid',
        where: 'holiday/photo.jpg',
      });
      expect(await keys()).toEqual(['holiday/photo.jpg']);
    });

    it('of a newer format is FormatNewer, a damaged one DataCorrupt', async () => {
      await store.create('backstay.json', encodeDocument({ formatVersion: 2 }));
      await expect(openRepository(store, nowMs)).rejects.toMatchObject({
        reason: 'FormatNewer',
        where: 'backstay.json',
      });
      await store.remove('backstay.json');
      await store.create('backstay.json', Buffer.from('{"formatVersion":'));
      await expect(openRepository(store, nowMs)).rejects.toMatchObject({
        reason: 'DataCorrupt',
        where: 'backstay.json',
      });
    });
  });

  describe('the owner', () => {
    const claim = (who: typeof shop, takeover?: string, through = store) =>
      claimOwnership(through, who, { takeover, nowMs });

    it('is the first who comes, and the same who comes again writes nothing more', async () => {
      expect(await claim(shop)).toEqual({ verdict: 'owned' });
      expect(await claim(shop)).toEqual({ verdict: 'owned' });
      expect(await claim(shop, 'run-1')).toEqual({ verdict: 'owned' });
      expect(await keys()).toEqual(['owner/000001.json']);
    });

    it.each(['clusterId', 'namespace', 'policy'] as const)(
      'another %s may read only, and hears who owns',
      async (field) => {
        await claim(shop);
        const other = { ...shop, [field]: 'other' };
        expect(await claim(other)).toEqual({ verdict: 'read-only', owner: shop });
        expect(await checkOwnership(store, other)).toEqual({ verdict: 'read-only', owner: shop });
        expect(await keys()).toEqual(['owner/000001.json']);
      },
    );

    it('is who took over last, and the former owner notices', async () => {
      const copy = { ...shop, clusterId: 'cluster-2' };
      await claim(shop);
      expect(await claim(copy, 'run-1')).toEqual({ verdict: 'owned' });
      expect(await checkOwnership(store, shop)).toEqual({ verdict: 'read-only', owner: copy });
      expect(await claim(shop)).toEqual({ verdict: 'read-only', owner: copy });
      expect(await claim(shop, 'run-2')).toEqual({ verdict: 'owned' });
      expect(await keys()).toEqual(['owner/000001.json', 'owner/000002.json', 'owner/000003.json']);
    });

    it('is not taken again by the next attempt of a run that had taken over and lost it', async () => {
      const copy = { ...shop, clusterId: 'cluster-2' };
      await claim(shop);
      expect(await claim(copy, 'run-1')).toEqual({ verdict: 'owned' });
      expect(await claim(shop, 'run-2')).toEqual({ verdict: 'owned' });
      expect(await claim(copy, 'run-1')).toEqual({ verdict: 'read-only', owner: shop });
    });

    it('is exactly one of ten that come at the same moment', async () => {
      const all = Array.from({ length: 10 }, (_, i) => ({ ...shop, clusterId: `cluster-${i}` }));
      const verdicts = await Promise.all(all.map((who) => claim(who, undefined, another())));
      expect(verdicts.filter(({ verdict }) => verdict === 'owned')).toHaveLength(1);
    });

    it('a damaged highest record is not passed over for an older one', async () => {
      await claim(shop);
      await store.create('owner/000002.json', Buffer.from('{}'));
      await expect(claim(shop)).rejects.toMatchObject({ reason: 'DataCorrupt', where: 'owner/000002.json' });
    });
  });

  it('a server is recorded once, and comes back to its lineage', async () => {
    const { repositoryId } = await openRepository(store, nowMs);
    const settle = (through: Store, systemIdentifier: string): Promise<string> =>
      settleLineage(through, { ...facts, systemIdentifier }, { repositoryId, nowMs });
    const all = await Promise.all(Array.from({ length: 5 }, () => settle(another(), '7301')));
    expect(new Set(all).size).toBe(1);
    expect(await settle(store, '7302')).not.toBe(all[0]);
    expect(await settle(store, '7301')).toBe(all[0]);
    expect((await keys()).filter((key) => key.endsWith('lineage.json'))).toHaveLength(2);
  });

  describe('committing a set', () => {
    it('makes it found, with the digest of the very bytes', async () => {
      const { name, manifest, files, key } = await beginSet();
      await writeFiles(files);
      expect(await findSet(store, name.runUid)).toBeUndefined();
      const commit = await commitSet(store, manifest, { nowMs, deadlineMs });
      expect(commit).toMatchObject({ verdict: 'committed', set: { key, manifest } });
      expect(await findSet(store, name.runUid)).toEqual(setIn(commit));
      expect(await commitSet(store, manifest, { nowMs, deadlineMs })).toEqual(commit);
    });

    it('a killed attempt is no backup, at whichever step it was killed', async () => {
      const { name, manifest, files } = await beginSet();
      expect(await findSet(store, name.runUid)).toBeUndefined();
      for (const file of files) {
        await expect(commitSet(store, manifest, { nowMs, deadlineMs })).rejects.toMatchObject({
          reason: 'DataCorrupt',
        });
        await writeFiles([file]);
        expect(await findSet(store, name.runUid)).toBeUndefined();
      }
      expect(await commitSet(store, manifest, { nowMs, deadlineMs })).toMatchObject({ verdict: 'committed' });
    });

    it('an attempt that comes back to life after another succeeded has lost, and changes nothing', async () => {
      const first = await beginSet();
      const second = await beginSet(first.name.runUid);
      await writeFiles(first.files);
      await writeFiles(second.files);
      const won = await commitSet(store, second.manifest, { nowMs, deadlineMs });
      expect(won.verdict).toBe('committed');
      expect(await commitSet(store, first.manifest, { nowMs, deadlineMs })).toEqual({
        verdict: 'lost',
        set: setIn(won),
      });
      expect((await findSet(store, first.name.runUid))?.manifest.attempt).toBe(second.name.attempt);
    });

    it('of eight attempts that commit at the same moment one wins, and all others hear of the same winner', async () => {
      const { name } = await beginSet();
      const sets = [];
      for (let i = 0; i < 8; i += 1) {
        const one = await beginSet(name.runUid);
        await writeFiles(one.files);
        sets.push(one);
      }
      const commits = await Promise.all(
        sets.map(({ manifest }) => commitSet(another(), manifest, { nowMs, deadlineMs })),
      );
      expect(commits.filter(({ verdict }) => verdict === 'committed')).toHaveLength(1);
      expect(new Set(commits.map((commit) => setIn(commit)?.sha256)).size).toBe(1);
    });

    it('an attempt in another lineage does not make a second backup of the same run', async () => {
      const first = await beginSet();
      await writeFiles(first.files);
      await commitSet(store, first.manifest, { nowMs, deadlineMs });
      const { repositoryId } = await openRepository(store, nowMs);
      const lineage = await settleLineage(store, { ...facts, systemIdentifier: '42' }, { repositoryId, nowMs });
      const second = sampleSet({ lineage, runUid: first.name.runUid, attempt: newAttempt() });
      await writeFiles(second.files);
      expect(await commitSet(store, second.manifest, { nowMs, deadlineMs })).toMatchObject({
        verdict: 'lost',
        set: { key: first.key },
      });
    });

    it('a lost answer is found out: written it is committed, not to be seen it is not known', async () => {
      const error = new Fault('StoreUnreachable', 'the answer was lost');
      const { manifest, files, name } = await beginSet();
      await writeFiles(files);
      const lost = await commitSet(failing(store, 'before', error), manifest, { nowMs, deadlineMs });
      expect(lost).toEqual({ verdict: 'unknown', cause: error });
      expect(await findSet(store, name.runUid)).toBeUndefined();
      const commit = await commitSet(failing(store, 'after', error), manifest, { nowMs, deadlineMs });
      expect(commit.verdict).toBe('committed');
    });

    it('a refusal is an error: there is no manifest', async () => {
      const error = new Fault('StoreDenied', 'no');
      const { manifest, files } = await beginSet();
      await writeFiles(files);
      await expect(commitSet(failing(store, 'before', error), manifest, { nowMs, deadlineMs })).rejects.toBe(error);
    });

    it('a refusal of the second try does not hide that the first one wrote it', async () => {
      const { manifest, files } = await beginSet();
      await writeFiles(files);
      const refusing = failing(store, 'after', new Fault('StoreFull', 'no'));
      expect(await commitSet(refusing, manifest, { nowMs, deadlineMs })).toMatchObject({ verdict: 'committed' });
    });

    it('is refused after the deadline that garbage collection counts from', async () => {
      const { manifest, files, name } = await beginSet();
      await writeFiles(files);
      const late = { nowMs: deadlineMs + 1, deadlineMs };
      await expect(commitSet(store, manifest, late)).rejects.toMatchObject({ reason: 'DeadlineExceeded' });
      expect(await findSet(store, name.runUid)).toBeUndefined();
    });

    it('an object that is missing, cut or longer is named', async () => {
      const { manifest, files } = await beginSet();
      await writeFiles(files);
      await expect(verifySetPresence(store, manifest)).resolves.toBeUndefined();
      const key = files[1]?.key ?? '';
      const message = { reason: 'DataCorrupt', where: key };
      await store.remove(key);
      await expect(verifySetPresence(store, manifest)).rejects.toMatchObject(message);
      await store.create(key, Buffer.from('second objec'));
      await expect(verifySetPresence(store, manifest)).rejects.toMatchObject(message);
      await store.remove(key);
      await store.create(key, Buffer.from('second object!'));
      await expect(verifySetPresence(store, manifest)).rejects.toMatchObject(message);
    });

    it('an intent is written once and by one only', async () => {
      const { name } = await beginSet();
      await writeIntent(store, name, times);
      await expect(writeIntent(store, name, { ...times, deadlineMs: deadlineMs + 1_000 })).rejects.toMatchObject({
        reason: 'Internal',
      });
    });

    it('a manifest that cannot be read is no "not there"', async () => {
      const { name, key } = await beginSet();
      await store.create(key, encodeDocument({ formatVersion: 7 }));
      await expect(findSet(store, name.runUid)).rejects.toMatchObject({ reason: 'FormatNewer', where: key });
    });
  });

  describe('collecting garbage', () => {
    const later = deadlineMs + garbageAfterMs + 1_000;

    it('removes dead attempts whole, and nothing else', async () => {
      const dead = await beginSet();
      const winner = await beginSet();
      const loser = await beginSet(winner.name.runUid);
      const bare = await beginSet();
      for (const { files } of [dead, winner, loser]) await writeFiles(files);
      await commitSet(store, winner.manifest, { nowMs, deadlineMs });
      const unknown = `${dead.name.lineage}/sets/no-intent/aa/data-00001.dump`;
      const foreign = `${dead.name.lineage}/sets/${dead.name.runUid}/readme.txt`;
      const sibling = `${dead.name.lineage}/sets/${dead.name.runUid}/${dead.name.attempt}-not/data-00001.dump`;
      for (const key of [unknown, foreign, sibling]) await store.create(key, Buffer.from('x'));
      const before = await keys();
      expect(await collectGarbage(store, later - 2_000)).toBe(0);
      expect(await keys()).toEqual(before);

      expect(await collectGarbage(store, later)).toBe(3);
      const gone = [dead, loser, bare].flatMap(({ name, files }) => [intentKey(name), ...files.map(({ key }) => key)]);
      expect(await keys()).toEqual(before.filter((key) => !gone.includes(key)));
      expect(await findSet(store, winner.name.runUid)).toBeDefined();
      await verifySetPresence(store, winner.manifest);
      expect(await collectGarbage(store, later)).toBe(0);
    });

    it('goes on where it was killed: the intent is the last to go', async () => {
      const { name, files } = await beginSet();
      await writeFiles(files);
      const removed: string[] = [];
      const dying = new Proxy(store, {
        get: (target, property) => {
          if (property === 'remove') {
            return async (key: string) => {
              if (removed.length === 2) throw new Error('killed');
              removed.push(key);
              await target.remove(key);
            };
          }
          const value: unknown = Reflect.get(target, property);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
      await expect(collectGarbage(dying, later)).rejects.toThrow('killed');
      expect(await keys(`${name.lineage}/sets/`)).toContain(intentKey(name));
      expect(await collectGarbage(store, later)).toBe(1);
      expect(await keys(`${name.lineage}/sets/`)).toEqual([]);
    });

    it.each([
      ['a newer format', encodeDocument({ formatVersion: 9 })],
      ['a damaged manifest', Buffer.from('{')],
    ])('keeps everything of a set with %s', async (__, manifest) => {
      const { files, key, name } = await beginSet();
      await beginSet(name.runUid);
      await writeFiles(files);
      await store.create(key, manifest);
      const before = await keys();
      expect(await collectGarbage(store, later)).toBe(0);
      expect(await keys()).toEqual(before);
    });

    it('keeps what became a backup while it looked', async () => {
      const { files, manifest, name } = await beginSet();
      await writeFiles(files);
      const committing = new Proxy(store, {
        get: (target, property) => {
          if (property === 'read') {
            return (key: string) => {
              const bytes = target.read(key);
              if (!key.includes('/intent-')) return bytes;
              return (async function* () {
                yield* bytes;
                await target.create(manifestKey(name), encodeManifest(manifest));
              })();
            };
          }
          const value: unknown = Reflect.get(target, property);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
      expect(await collectGarbage(committing, later)).toBe(0);
      await verifySetPresence(store, manifest);
      expect((await whole(store, files[0]?.key ?? '')).toString()).toBe('first object');
    });
  });
});
