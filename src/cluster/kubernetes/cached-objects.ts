import type { Logger } from '../../base/log.ts';
import { type ObjectChange, type ObjectEvent, type Objects, ObjectsError } from '../objects.ts';
import { type Draft, type Kind, keyOf, type ObjectKey, type Resource } from '../resource.ts';
import { KubernetesObjects, type KubernetesObjectsOptions, keptOf, scopesOf } from './objects.ts';
import { kindPath } from './paths.ts';
import { reflect } from './reflector.ts';
import { WatchCache } from './watch-cache.ts';

/** One list and watch: a kind in one namespace, or in all. */
interface Shelf {
  namespace: string | undefined;
  cache: WatchCache;
  synced: Promise<void>;
}

/**
 * Our kinds, read from memory (docs/adr/0015): one list and watch for each kind feeds every reader, and our own writes
 * are in it at once. What is not in memory is asked live, because an absence is believed without a version that could
 * be refused. A kind is watched from the first question about it on, until `signal` is aborted.
 */
export class CachedObjects implements Objects {
  readonly #options: KubernetesObjectsOptions;
  readonly #live: KubernetesObjects;
  readonly #signal: AbortSignal;
  readonly #shelves = new Map<Kind, readonly Shelf[]>();

  constructor(options: KubernetesObjectsOptions, signal: AbortSignal) {
    this.#options = options;
    this.#live = new KubernetesObjects(options);
    this.#signal = signal;
  }

  clusterId(): Promise<string> {
    return this.#live.clusterId();
  }

  async get(kind: Kind, key: ObjectKey, absence: 'sure' | 'remembered' = 'sure'): Promise<Resource | undefined> {
    const shelf = this.#shelfOf(kind, key.namespace);
    await shelf?.synced;
    const known = shelf?.cache.get(key);
    if (known !== undefined || (shelf !== undefined && absence === 'remembered')) return known;
    return this.#live.get(kind, key);
  }

  async list(kind: Kind, namespace?: string): Promise<Resource[]> {
    if (namespace !== undefined) {
      const shelf = this.#shelfOf(kind, namespace);
      await shelf?.synced;
      return shelf === undefined ? this.#live.list(kind, namespace) : shelf.cache.list(namespace);
    }
    const shelves = this.#shelvesOf(kind);
    await Promise.all(shelves.map(({ synced }) => synced));
    return shelves.flatMap(({ cache }) => cache.list());
  }

  async listRunsOf(policy: ObjectKey): Promise<Resource[]> {
    const shelf = this.#shelfOf('BackupRun', policy.namespace);
    await shelf?.synced;
    return shelf === undefined ? this.#live.listRunsOf(policy) : shelf.cache.ofPolicy(policy);
  }

  isCurrent(object: Resource): Promise<boolean> {
    return this.#live.isCurrent(object);
  }

  async watch(kind: Kind, onChange: (change: ObjectChange) => void, signal: AbortSignal): Promise<void> {
    const listener = guarded(onChange, this.#options.log, kind);
    await Promise.all(
      this.#shelvesOf(kind).map(async ({ cache, synced }) => {
        await synced;
        cache.subscribe(listener, signal);
      }),
    );
  }

  async create(draft: Draft): Promise<Resource> {
    try {
      return this.#wrote(await this.#live.create(draft));
    } catch (error) {
      // Then memory is behind, and whoever asks next what stands in the way must see it.
      if (error instanceof ObjectsError && error.code === 'AlreadyExists')
        await this.#lookAt(draft.kind, draft.metadata);
      throw error;
    }
  }

  async replaceStatus(object: Resource, status: object): Promise<Resource> {
    return this.#wrote(await this.#live.replaceStatus(object, status));
  }

  async replaceFinalizers(object: Resource, finalizers: string[]): Promise<Resource> {
    return this.#wrote(await this.#live.replaceFinalizers(object, finalizers));
  }

  async delete(kind: Kind, key: ObjectKey): Promise<void> {
    const known = this.#shelfOf(kind, key.namespace)?.cache.get(key);
    await this.#live.delete(kind, key);
    // Gone, or marked and held by finalizers: the answer to a deletion tells less than a look.
    const now = await this.#lookAt(kind, key);
    if (known !== undefined && now?.metadata.uid !== known.metadata.uid) {
      this.#shelfOf(kind, key.namespace)?.cache.deleted(known);
    }
  }

  recordEvent(object: Resource, event: ObjectEvent): Promise<void> {
    return this.#live.recordEvent(object, event);
  }

  async #lookAt(kind: Kind, key: ObjectKey): Promise<Resource | undefined> {
    const found = await this.#live.get(kind, key);
    if (found !== undefined) this.#wrote(found);
    return found;
  }

  #wrote(object: Resource): Resource {
    this.#shelfOf(object.kind, object.metadata.namespace)?.cache.wrote(object);
    return object;
  }

  /** None: the namespace is not one of those that are watched. */
  #shelfOf(kind: Kind, inNamespace: string): Shelf | undefined {
    return this.#shelvesOf(kind).find(({ namespace }) => namespace === undefined || namespace === inNamespace);
  }

  #shelvesOf(kind: Kind): readonly Shelf[] {
    const known = this.#shelves.get(kind);
    if (known !== undefined) return known;
    const shelves = scopesOf(this.#options.namespaces).map((namespace) => this.#follow(kind, namespace));
    this.#shelves.set(kind, shelves);
    return shelves;
  }

  #follow(kind: Kind, namespace: string | undefined): Shelf {
    const cache = new WatchCache();
    const synced = reflect(
      {
        ...this.#options,
        path: kindPath(kind, namespace),
        namespace,
        keep: keptOf(kind),
        onChange: ({ type, object }) => (type === 'gone' ? cache.seenGone(object) : cache.seen(object)),
        onPosition: (version) => cache.reached(version),
        onForgotten: () => cache.forgotten(),
      },
      this.#signal,
    );
    return { namespace, cache, synced };
  }
}

/** A listener that fails must not keep the change from the others, nor fail the write that it comes from. */
function guarded(onChange: (change: ObjectChange) => void, log: Logger, kind: Kind): (change: ObjectChange) => void {
  return (change) => {
    try {
      onChange(change);
    } catch (error) {
      log.error({ kind, object: keyOf(change.object), err: error }, 'a watch callback failed');
    }
  };
}
