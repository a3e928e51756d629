import type { ObjectChange } from '../objects.ts';
import { keyOf, type ObjectKey, policyNameOf, type Resource } from '../resource.ts';
import { isNewer } from './version.ts';

/** Deletions of ours that the watch has not told of yet; more than that and the oldest is told of twice. */
const maxRemembered = 1_000;

/**
 * The objects of one watch, and what we wrote ourselves since: an answer to a write is here before the watch brings it,
 * so that a reconcile sees its own writes. Not the newest state: somebody else's write arrives when the watch tells of it.
 *
 * An object that is handed out belongs to the cache: nobody changes it.
 */
export class WatchCache {
  readonly #objects = new Map<string, Resource>();
  readonly #ofPolicy = new Map<string, Set<string>>();
  readonly #listeners = new Set<(change: ObjectChange) => void>();
  /** Written by us and not yet told of by the watch. */
  readonly #ahead = new Map<string, Resource>();
  /** UIDs that we deleted and whose end the watch has not told of yet. */
  readonly #ended = new Set<string>();
  /** Everything up to here was told by the watch. */
  #position = '';

  get size(): number {
    return this.#objects.size;
  }

  get(key: ObjectKey): Resource | undefined {
    return this.#objects.get(wordOf(key));
  }

  list(namespace?: string): Resource[] {
    const all = [...this.#objects.values()];
    return namespace === undefined ? all : all.filter(({ metadata }) => metadata.namespace === namespace);
  }

  /** The runs of a policy, without a look at any other. */
  ofPolicy(policy: ObjectKey): Resource[] {
    const words = this.#ofPolicy.get(wordOf(policy)) ?? [];
    return [...words].flatMap((word) => this.#objects.get(word) ?? []);
  }

  /** Tells of every object there is, then of every change until `signal` is aborted. `listener` must not throw. */
  subscribe(listener: (change: ObjectChange) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true });
    for (const object of this.list()) {
      if (signal.aborted) return;
      listener({ type: 'present', object });
    }
  }

  /** The watch, or its list, told of this state. */
  seen(object: Resource): void {
    const { uid, resourceVersion } = object.metadata;
    if (this.#ended.has(uid)) return;
    const now = this.get(keyOf(object));
    if (now !== undefined && isNewer(now.metadata.resourceVersion, resourceVersion)) return;
    this.#ahead.delete(wordOf(keyOf(object)));
    this.#put(object, now);
  }

  /** The watch told that this object is gone. */
  seenGone(object: Resource): void {
    this.#ended.delete(object.metadata.uid);
    this.#drop(object);
  }

  /** The watch has told everything up to this version. */
  reached(version: string): void {
    this.#position = version;
    for (const object of this.#ahead.values()) {
      // It would have been confirmed on the way; that it was not means that it was deleted while nobody looked.
      if (!isNewer(object.metadata.resourceVersion, version)) this.#drop(object);
    }
  }

  /** Nothing that the watch told holds any more, nor what was written since. */
  forgotten(): void {
    this.#ended.clear();
    this.#position = '';
    for (const object of this.list()) this.#drop(object);
  }

  /** The answer to a write of ours. One that the watch is already past may be of an object that is gone since. */
  wrote(object: Resource): void {
    const { uid, resourceVersion, deletionTimestamp, finalizers = [] } = object.metadata;
    if (deletionTimestamp !== undefined && finalizers.length === 0) {
      this.deleted(object);
      return;
    }
    const now = this.get(keyOf(object));
    if (this.#ended.has(uid) || !isNewer(resourceVersion, this.#position)) return;
    if (now !== undefined && !isNewer(resourceVersion, now.metadata.resourceVersion)) return;
    this.#ahead.set(wordOf(keyOf(object)), object);
    this.#put(object, now);
  }

  /** A deletion of ours is done. States of the object that are still on their way here no longer count. */
  deleted(object: Resource): void {
    if (this.get(keyOf(object))?.metadata.uid !== object.metadata.uid) return;
    this.#ended.add(object.metadata.uid);
    const [oldest] = this.#ended;
    if (this.#ended.size > maxRemembered && oldest !== undefined) this.#ended.delete(oldest);
    this.#drop(object);
  }

  #put(object: Resource, before: Resource | undefined): void {
    if (before !== undefined && before.metadata.uid !== object.metadata.uid) this.#drop(before);
    else if (before !== undefined && policyWordOf(before) !== policyWordOf(object)) this.#unindex(before);
    this.#objects.set(wordOf(keyOf(object)), object);
    this.#index(object);
    if (before?.metadata.resourceVersion !== object.metadata.resourceVersion) this.#tell({ type: 'present', object });
  }

  #drop(object: Resource): void {
    const word = wordOf(keyOf(object));
    const now = this.#objects.get(word);
    if (now?.metadata.uid !== object.metadata.uid) return;
    this.#objects.delete(word);
    if (this.#ahead.get(word)?.metadata.uid === object.metadata.uid) this.#ahead.delete(word);
    this.#unindex(now);
    this.#tell({ type: 'gone', object: now });
  }

  #index(object: Resource): void {
    const policy = policyWordOf(object);
    if (policy === undefined) return;
    const words = this.#ofPolicy.get(policy) ?? new Set();
    this.#ofPolicy.set(policy, words.add(wordOf(keyOf(object))));
  }

  #unindex(object: Resource): void {
    const policy = policyWordOf(object);
    const words = policy === undefined ? undefined : this.#ofPolicy.get(policy);
    if (policy === undefined || words === undefined) return;
    words.delete(wordOf(keyOf(object)));
    if (words.size === 0) this.#ofPolicy.delete(policy);
  }

  #tell(change: ObjectChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

const wordOf = ({ namespace, name }: ObjectKey): string => `${namespace}/${name}`;

function policyWordOf(object: Resource): string | undefined {
  const name = policyNameOf(object);
  return name === undefined ? undefined : wordOf({ namespace: object.metadata.namespace, name });
}
