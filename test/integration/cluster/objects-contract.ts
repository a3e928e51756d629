import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ObjectChange, Objects, ObjectsError } from '../../../src/cluster/objects.ts';
import { keyOf, type Resource } from '../../../src/cluster/resource.ts';
import { eventually } from '../../harness/eventually.ts';
import { ownerReferenceTo, sampleDraft } from './samples.ts';

export interface ObjectsUnderTest {
  objects: Objects;
  /** Two namespaces that exist and are empty. */
  namespace: string;
  otherNamespace: string;
  /** Replaces the spec as a user does: kubectl apply, backstay apply. Resolves when it is stored. */
  applySpec(object: Resource, spec: unknown): Promise<void>;
  /** Events of the object, the oldest first. */
  events(object: Resource): Promise<{ type: string; reason: string; message: string }[]>;
  cleanup(): Promise<void>;
}

export type OwnersUnderTest = Pick<ObjectsUnderTest, 'objects' | 'namespace' | 'cleanup'>;

const withCode = (code: ObjectsError['code']) => expect.objectContaining({ name: 'ObjectsError', code });

/** What every implementation of `Objects` promises. `create` is called once; each test uses names of its own. */
export function objectsContract(name: string, create: () => Promise<ObjectsUnderTest>, coldMs = 60_000): void {
  describe(`Objects: ${name}`, () => {
    let under: ObjectsUnderTest;
    let objects: Objects;
    let namespace: string;
    let watching: AbortController;
    let count = 0;
    const freshName = (): string => `sample-${++count}`;
    const created = (more = {}): Promise<Resource> =>
      objects.create(sampleDraft('BackupRun', namespace, freshName(), more));

    beforeAll(async () => {
      under = await create();
      ({ objects, namespace } = under);
    }, coldMs);
    afterAll(() => under?.cleanup());
    beforeEach(() => {
      watching = new AbortController();
    });
    afterEach(() => watching.abort());

    it('has a name for the cluster that stays', async () => {
      const id = await objects.clusterId();
      expect(id).toMatch(/^[0-9a-f-]{36}$/);
      expect(await objects.clusterId()).toBe(id);
    });

    describe('create and get', () => {
      it('gives the object its identity and keeps it', async () => {
        const draft = sampleDraft('BackupPolicy', namespace, freshName(), { labels: { team: 'shop' } });
        const object = await objects.create(draft);
        expect(object).toMatchObject({
          apiVersion: 'backstay.dev/v1alpha1',
          kind: 'BackupPolicy',
          metadata: { name: draft.metadata.name, namespace, generation: 1, labels: { team: 'shop' } },
          spec: draft.spec,
        });
        expect(object.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
        expect(object.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
        expect(object.metadata.resourceVersion).not.toBe('');
        expect(await objects.get('BackupPolicy', keyOf(object))).toEqual(object);
      });

      it('answers undefined for what is not there', async () => {
        expect(await objects.get('BackupRun', { namespace, name: 'nobody' })).toBeUndefined();
      });

      it('refuses a second object of the same kind, namespace and name', async () => {
        const object = await created();
        const again = sampleDraft('BackupRun', namespace, object.metadata.name);
        await expect(objects.create(again)).rejects.toEqual(withCode('AlreadyExists'));
        expect(await objects.get('BackupRun', keyOf(object))).toEqual(object);
      });

      it('lets one of ten who create the same name at once win', async () => {
        const draft = sampleDraft('BackupRun', namespace, freshName());
        const results = await Promise.allSettled(Array.from({ length: 10 }, () => objects.create(draft)));
        expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        const refusals = results.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
        expect(new Set(refusals)).toEqual(new Set(['AlreadyExists']));
      });

      it('keeps kinds and namespaces apart', async () => {
        const name = freshName();
        const here = await objects.create(sampleDraft('BackupRun', namespace, name));
        const there = await objects.create(sampleDraft('BackupRun', under.otherNamespace, name));
        const other = await objects.create(sampleDraft('BackupPolicy', namespace, name));
        expect(new Set([here, there, other].map(({ metadata }) => metadata.uid)).size).toBe(3);
        expect(await objects.get('BackupRun', keyOf(there))).toEqual(there);
      });

      it('refuses what the schema refuses', async () => {
        const draft = { ...sampleDraft('BackupRun', namespace, freshName()), spec: { method: 'Dump' } };
        await expect(objects.create(draft)).rejects.toEqual(withCode('Invalid'));
        expect(await objects.get('BackupRun', draft.metadata)).toBeUndefined();
      });

      it.each(['Upper', '../escape', 'a/b', '-dash', 'dot.', '', 'snow☃', 'a'.repeat(254)])(
        'refuses the name %j',
        async (bad) => {
          await expect(objects.create(sampleDraft('BackupRun', namespace, bad))).rejects.toEqual(withCode('Invalid'));
        },
      );
    });

    it('lists one namespace or all', async () => {
      const here = await created();
      const there = await objects.create(sampleDraft('BackupRun', under.otherNamespace, freshName()));
      const uids = async (inNamespace?: string): Promise<string[]> =>
        (await objects.list('BackupRun', inNamespace)).map(({ metadata }) => metadata.uid);
      expect(await uids(namespace)).toContain(here.metadata.uid);
      expect(await uids(namespace)).not.toContain(there.metadata.uid);
      expect(await uids()).toEqual(expect.arrayContaining([here.metadata.uid, there.metadata.uid]));
    });

    describe('status', () => {
      it('is replaced whole, and the generation stays', async () => {
        const object = await created();
        const first = await objects.replaceStatus(object, { phase: 'Running', currentTask: 'one' });
        expect(first.status).toEqual({ phase: 'Running', currentTask: 'one' });
        const second = await objects.replaceStatus(first, { phase: 'Succeeded' });
        expect(second.status).toEqual({ phase: 'Succeeded' });
        expect(second.metadata.generation).toBe(1);
        expect(second.metadata.resourceVersion).not.toBe(object.metadata.resourceVersion);
        expect(await objects.get('BackupRun', keyOf(object))).toEqual(second);
      });

      it('written from an old version is a Conflict and changes nothing', async () => {
        const object = await created();
        const newer = await objects.replaceStatus(object, { phase: 'Running' });
        await expect(objects.replaceStatus(object, { phase: 'Failed' })).rejects.toEqual(withCode('Conflict'));
        expect(await objects.get('BackupRun', keyOf(object))).toEqual(newer);
      });

      it('lets one of ten who write from the same version win', async () => {
        const object = await created();
        const results = await Promise.allSettled(
          Array.from({ length: 10 }, (_, index) => objects.replaceStatus(object, { currentTask: `task-${index}` })),
        );
        expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      });

      it('of an object that is gone is NotFound', async () => {
        const object = await created();
        await objects.delete('BackupRun', keyOf(object));
        await expect(objects.replaceStatus(object, {})).rejects.toEqual(withCode('NotFound'));
      });

      it('never reaches a new object of the same name', async () => {
        const old = await created();
        await objects.delete('BackupRun', keyOf(old));
        const young = await objects.create(sampleDraft('BackupRun', namespace, old.metadata.name));
        expect(young.metadata.uid).not.toBe(old.metadata.uid);
        await expect(objects.replaceStatus(old, { phase: 'Failed' })).rejects.toEqual(withCode('Conflict'));
        expect((await objects.get('BackupRun', keyOf(young)))?.status).toBeUndefined();
      });
    });

    it('counts generations by changes of the spec, and keeps the status over them', async () => {
      const policy = await objects.create(sampleDraft('BackupPolicy', namespace, freshName()));
      const withStatus = await objects.replaceStatus(policy, { nextRun: '2026-01-01T00:00:00Z' });
      await under.applySpec(withStatus, { ...(withStatus.spec as object), suspend: true });
      const changed = await objects.get('BackupPolicy', keyOf(policy));
      expect(changed).toMatchObject({
        metadata: { uid: policy.metadata.uid, generation: 2 },
        spec: { suspend: true },
        status: { nextRun: '2026-01-01T00:00:00Z' },
      });
      await under.applySpec(withStatus, { ...(withStatus.spec as object), suspend: true });
      expect((await objects.get('BackupPolicy', keyOf(policy)))?.metadata.generation).toBe(2);
    });

    describe('deletion', () => {
      it('removes the object, and of nothing is success', async () => {
        const object = await created();
        await objects.delete('BackupRun', keyOf(object));
        expect(await objects.get('BackupRun', keyOf(object))).toBeUndefined();
        await objects.delete('BackupRun', keyOf(object));
      });

      it('waits for finalizers: marked first, gone with the last of them', async () => {
        const object = await created({ finalizers: ['backstay.dev/task'] });
        await objects.delete('BackupRun', keyOf(object));
        const marked = (await objects.get('BackupRun', keyOf(object)))!;
        expect(marked.metadata.deletionTimestamp).toMatch(/^\d{4}-/);
        await objects.delete('BackupRun', keyOf(object));
        expect((await objects.get('BackupRun', keyOf(object)))?.metadata.deletionTimestamp).toBe(
          marked.metadata.deletionTimestamp,
        );
        await objects.replaceFinalizers(marked, []);
        expect(await objects.get('BackupRun', keyOf(object))).toBeUndefined();
      });

      it('lets a finalizer in and out, with Conflict for an old version', async () => {
        const object = await created();
        const held = await objects.replaceFinalizers(object, ['backstay.dev/task']);
        expect(held.metadata.finalizers).toEqual(['backstay.dev/task']);
        await expect(objects.replaceFinalizers(object, [])).rejects.toEqual(withCode('Conflict'));
        const freed = await objects.replaceFinalizers(held, []);
        expect(freed.metadata.finalizers ?? []).toEqual([]);
        expect(await objects.get('BackupRun', keyOf(object))).toBeDefined();
      });
    });

    describe('watch', () => {
      const seen: ObjectChange[] = [];
      const latest = (object: Resource): ObjectChange | undefined =>
        seen.findLast((change) => change.object.metadata.uid === object.metadata.uid);

      beforeEach(() => void seen.splice(0));

      it('has delivered everything there is when it resolves', async () => {
        const object = await created();
        await objects.watch('BackupRun', (change) => seen.push(change), watching.signal);
        expect(latest(object)).toEqual({ type: 'present', object });
        const there = (await objects.list('BackupRun')).map(({ metadata }) => metadata.uid);
        expect(new Set(seen.map((change) => change.object.metadata.uid))).toEqual(new Set(there));
      });

      it('tells of new, changed and deleted objects', async () => {
        await objects.watch('BackupRun', (change) => seen.push(change), watching.signal);
        const object = await created();
        await eventually(() => expect(latest(object)).toEqual({ type: 'present', object }));
        const changed = await objects.replaceStatus(object, { phase: 'Running' });
        await eventually(() => expect(latest(object)).toEqual({ type: 'present', object: changed }));
        await objects.delete('BackupRun', keyOf(object));
        await eventually(() => expect(latest(object)?.type).toBe('gone'));
      });

      it('tells of an object that was deleted and made anew under its name', async () => {
        await objects.watch('BackupRun', (change) => seen.push(change), watching.signal);
        const old = await created();
        await objects.delete('BackupRun', keyOf(old));
        const young = await objects.create(sampleDraft('BackupRun', namespace, old.metadata.name));
        await eventually(() => expect(latest(young)).toEqual({ type: 'present', object: young }));
      });

      it('is silent after the abort', async () => {
        await objects.watch('BackupRun', (change) => seen.push(change), watching.signal);
        const other = new AbortController();
        const others: ObjectChange[] = [];
        await objects.watch('BackupRun', (change) => others.push(change), other.signal);
        watching.abort();
        const before = seen.length;
        const object = await created();
        await eventually(() =>
          expect(others.some((change) => change.object.metadata.uid === object.metadata.uid)).toBe(true),
        );
        other.abort();
        expect(seen).toHaveLength(before);
      });
    });

    it('records what happened to an object', async () => {
      const object = await created();
      await objects.recordEvent(object, { type: 'Normal', reason: 'Running', message: 'the task runs' });
      await objects.recordEvent(object, { type: 'Warning', reason: 'ToolFailed', message: 'pg_dump ended with 1' });
      await eventually(async () =>
        expect(await under.events(object)).toEqual([
          expect.objectContaining({ type: 'Normal', reason: 'Running', message: 'the task runs' }),
          expect.objectContaining({ type: 'Warning', reason: 'ToolFailed', message: 'pg_dump ended with 1' }),
        ]),
      );
    });
  });
}

/**
 * What every place promises that collects garbage: not the bare API server, whose garbage is collected by the
 * controller manager.
 */
export function ownersContract(name: string, create: () => Promise<OwnersUnderTest>, coldMs = 60_000): void {
  describe(`Objects with owners: ${name}`, () => {
    let under: OwnersUnderTest;
    beforeAll(async () => {
      under = await create();
    }, coldMs);
    afterAll(() => under?.cleanup());

    it('takes what an object owns away with it, and leaves the rest', async () => {
      const { objects, namespace } = under;
      const policy = await objects.create(sampleDraft('BackupPolicy', namespace, 'owner'));
      const owned = { ownerReferences: [ownerReferenceTo(policy)] };
      const child = await objects.create(sampleDraft('BackupRun', namespace, 'child', owned));
      const held = await objects.create(
        sampleDraft('BackupRun', namespace, 'held', { ...owned, finalizers: ['backstay.dev/task'] }),
      );
      const stranger = await objects.create(sampleDraft('BackupRun', namespace, 'stranger'));
      await objects.delete('BackupPolicy', keyOf(policy));
      await eventually(async () => expect(await objects.get('BackupRun', keyOf(child))).toBeUndefined());
      await eventually(async () =>
        expect((await objects.get('BackupRun', keyOf(held)))?.metadata.deletionTimestamp).toBeDefined(),
      );
      expect(await objects.get('BackupRun', keyOf(stranger))).toEqual(stranger);
    });
  });
}
