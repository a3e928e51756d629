import { randomBytes, randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { apiVersion } from '../../api/names.ts';
import { type Clock, timestamp } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { type Objects, ObjectsError } from '../objects.ts';
import { type Draft, type Kind, keyOf, kinds, type ObjectKey, policyNameOf, type Resource } from '../resource.ts';
import { addEvent, forgetEvents } from './events.ts';
import type { Home } from './home.ts';
import { refuseBadKey } from './names.ts';
import { createObjectFiles } from './object-files.ts';
import { directoryHints, watchByScanning } from './watch.ts';

/**
 * What the schema makes of a spec: the spec with its defaults. `previous` is the stored spec when it is an update.
 * Throws a Fault for a spec, or a change of it, that the kind does not allow.
 */
export type Admit = (kind: Kind, spec: unknown, previous?: unknown) => unknown;

export interface StandaloneObjects extends Objects {
  /**
   * What `kubectl apply` does: creates the object, or replaces spec, labels and annotations of the one of that name.
   * Idempotent. Throws Invalid when the schema refuses it.
   */
  apply(draft: Draft): Promise<Applied>;
}

export interface Applied {
  change: 'created' | 'configured' | 'unchanged';
  object: Resource;
}

export interface StandaloneOptions {
  home: Home;
  admit: Admit;
  clock: Clock;
  log: Logger;
  rescanMs?: number;
}

/**
 * Objects in the files of a home. Correct under writers in several processes: every write happens inside the home's
 * lock, on the version read there.
 */
export function createObjects({ home, admit, clock, log, rescanMs = 2_000 }: StandaloneOptions): StandaloneObjects {
  const files = createObjectFiles(home.objects, clock, log);
  const changes = new EventEmitter().setMaxListeners(0);
  const bell = join(home.objects, 'changed');

  /** Wakes the watches of this process at once, and those of others through a file that they watch. */
  async function ring(): Promise<void> {
    changes.emit('change');
    const now = clock.nowMs() / 1000;
    await utimes(bell, now, now).catch(() => writeFile(bell, '', { mode: 0o600 }));
  }

  const change = async <T>(work: () => Promise<T>): Promise<T> => {
    const result = await home.exclusive(work).catch((error) => Promise.reject(toObjectsError(error)));
    await ring().catch((error) => log.debug({ err: error }, 'other processes see the change at their next scan'));
    return result;
  };

  async function store(object: Resource): Promise<Resource> {
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: randomBytes(8).toString('hex') } };
    await files.write(stored);
    return stored;
  }

  /** The object as it is now, when `seen` still is that version. */
  async function unchanged(seen: Resource): Promise<Resource> {
    const now = await files.read(seen.kind, keyOf(seen));
    const name = `${seen.kind} ${seen.metadata.namespace}/${seen.metadata.name}`;
    if (now === undefined) throw new ObjectsError('NotFound', `${name} is gone`);
    if (now.metadata.uid !== seen.metadata.uid || now.metadata.resourceVersion !== seen.metadata.resourceVersion) {
      throw new ObjectsError('Conflict', `${name} was written by somebody else meanwhile`);
    }
    return now;
  }

  async function createInside({ kind, metadata, spec }: Draft): Promise<Resource> {
    if ((await files.read(kind, metadata)) !== undefined) {
      throw new ObjectsError('AlreadyExists', `${kind} ${metadata.namespace}/${metadata.name} exists`);
    }
    return store({
      apiVersion,
      kind,
      metadata: {
        ...metadata,
        uid: randomUUID(),
        resourceVersion: '',
        generation: 1,
        creationTimestamp: timestamp(clock.nowMs()),
      },
      spec: admitted(admit, kind, spec),
    });
  }

  async function removeInside(object: Resource): Promise<void> {
    await files.remove(object.kind, keyOf(object));
    await forgetEvents(home.events, object.kind, keyOf(object));
    await collectOrphans();
  }

  async function deleteInside(kind: Kind, key: ObjectKey): Promise<void> {
    const object = await files.read(kind, key);
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) return;
    if ((object.metadata.finalizers ?? []).length === 0) {
      await removeInside(object);
      return;
    }
    const deletionTimestamp = timestamp(clock.nowMs());
    await store({ ...object, metadata: { ...object.metadata, deletionTimestamp } });
  }

  /** What is owned by nobody who is still there goes. Found by looking, so a kill between owner and owned leaves nothing. */
  async function collectOrphans(): Promise<void> {
    const all = (await Promise.all(kinds.map((kind) => files.scan(kind)))).flat();
    const living = new Set(all.map(({ metadata }) => metadata.uid));
    for (const { kind, metadata } of all) {
      const owners = metadata.ownerReferences ?? [];
      if (owners.length > 0 && !owners.some(({ uid }) => living.has(uid))) await deleteInside(kind, metadata);
    }
  }

  return {
    clusterId: () => Promise.resolve(home.homeId),
    get: (kind, key) => files.read(kind, key).catch((error) => Promise.reject(toObjectsError(error))),
    async list(kind, namespace) {
      const all = await files.scan(kind).catch((error) => Promise.reject(toObjectsError(error)));
      return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
    },
    async listRunsOf({ namespace, name }) {
      const all = await files.scan('BackupRun').catch((error) => Promise.reject(toObjectsError(error)));
      return all.filter((run) => run.metadata.namespace === namespace && policyNameOf(run) === name);
    },
    async isCurrent({ kind, metadata }) {
      const now = await files.read(kind, metadata).catch((error) => Promise.reject(toObjectsError(error)));
      return now?.metadata.uid === metadata.uid && now.metadata.resourceVersion === metadata.resourceVersion;
    },
    async watch(kind, onChange, signal) {
      await change(collectOrphans);
      const hints = (call: () => void): (() => void) => {
        changes.on('change', call);
        const unhint = directoryHints(home.objects, call, log);
        return () => {
          changes.off('change', call);
          unhint();
        };
      };
      await watchByScanning({ scan: () => files.scan(kind), onChange, clock, log, rescanMs, hints }, signal);
    },
    create: (draft) => change(() => createInside(draft)),
    replaceStatus: (seen, status) =>
      change(async () => store({ ...(await unchanged(seen)), status: JSON.parse(JSON.stringify(status)) })),
    replaceFinalizers: (seen, finalizers) =>
      change(async () => {
        const now = await unchanged(seen);
        const next = { ...now, metadata: { ...now.metadata, finalizers } };
        if (finalizers.length > 0 || now.metadata.deletionTimestamp === undefined) return store(next);
        await removeInside(now);
        return next;
      }),
    delete: (kind, key) => change(() => deleteInside(kind, key)),
    async recordEvent(object, event) {
      await home
        .exclusive(() => addEvent(home.events, clock, object, event))
        .catch((error) => log.warn({ err: error, reason: event.reason }, 'event not recorded'));
    },
    apply: (draft) =>
      change(async () => {
        refuseBadKey(draft.metadata);
        const now = await files.read(draft.kind, draft.metadata);
        if (now === undefined) return { change: 'created', object: await createInside(draft) };
        const spec = admitted(admit, draft.kind, draft.spec, now.spec);
        const { labels = now.metadata.labels, annotations = now.metadata.annotations } = draft.metadata;
        const metadata = { ...now.metadata, ...(labels && { labels }), ...(annotations && { annotations }) };
        const isSameSpec = isDeepStrictEqual(spec, now.spec);
        if (isSameSpec && isDeepStrictEqual(metadata, now.metadata)) return { change: 'unchanged', object: now };
        const generation = isSameSpec ? metadata.generation : metadata.generation + 1;
        return { change: 'configured', object: await store({ ...now, spec, metadata: { ...metadata, generation } }) };
      }),
  };
}

/** As JSON has it: what is undefined would be lost on the way to the file and look like a change for ever. */
function admitted(admit: Admit, kind: Kind, spec: unknown, previous?: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(admit(kind, spec, previous)));
  } catch (error) {
    if (error instanceof Fault) throw new ObjectsError('Invalid', error.sentence, { cause: error });
    throw error;
  }
}

/** The disk's answers in the port's words. A full disk is as temporary as an API server that is away. */
function toObjectsError(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof ObjectsError || typeof code !== 'string') return error;
  const details = { cause: error };
  if (code === 'EACCES' || code === 'EPERM') return new ObjectsError('Forbidden', (error as Error).message, details);
  return new ObjectsError('Unavailable', (error as Error).message, details);
}
