import { cutText } from '../base/short-text.ts';
import type { Draft, Kind, ObjectKey, Resource } from './resource.ts';

/**
 * The port to the place where our four kinds live: the API server, or files in a home directory. Every call has a
 * deadline of its own; failures are `ObjectsError`s. One contract suite runs against both implementations.
 */
export interface Objects {
  /** A name for this cluster or home that never changes and that no other has: it goes into the owner record of a repository. */
  clusterId(): Promise<string>;

  /**
   * The object as it was a moment ago: our own writes are always in it, those of others may come a little later. A write
   * that is made from it carries its version, so a stale one ends in a Conflict. Objects that are handed out are never
   * changed by whoever got them. `undefined` is sure: the object is not there now. Unless a `remembered` absence is enough:
   * for whoever only waits for the object, and looks again; it is as old as an object may be.
   */
  get(kind: Kind, key: ObjectKey, absence?: 'sure' | 'remembered'): Promise<Resource | undefined>;

  /** All objects of the kind, in one namespace or in all; of the same moment as `get`. */
  list(kind: Kind, namespace?: string): Promise<Resource[]>;

  /** The runs that name this policy; of the same moment as `get`. */
  listRunsOf(policy: ObjectKey): Promise<Resource[]>;

  /**
   * Asks the place itself whether this still is the newest version. For what has an effect outside, such as the start of
   * a task: no version in a write would refuse that.
   */
  isCurrent(object: Resource): Promise<boolean>;

  /**
   * Calls `onChange` for every object there is, then for every change, until `signal` is aborted. Resolves once the
   * first full list was delivered. Later failures are healed inside (relist with backoff) and never end the watch. The
   * same state may come more than once and states in between may be left out: the callback only notes that the object
   * needs a look. It must not throw.
   */
  watch(kind: Kind, onChange: (change: ObjectChange) => void, signal: AbortSignal): Promise<void>;

  /** Throws AlreadyExists when the name is taken, Invalid when the schema refuses the object. */
  create(draft: Draft): Promise<Resource>;

  /**
   * Replaces the whole status. Throws Conflict when the object was written since `object` was read, NotFound when it is
   * gone. Does not change the generation.
   */
  replaceStatus(object: Resource, status: object): Promise<Resource>;

  /** Replaces the list of finalizers, with the same rule about Conflict. Removing the last one of a deleted object ends it. */
  replaceFinalizers(object: Resource, finalizers: string[]): Promise<Resource>;

  /** Deletes, or marks as deleted while finalizers hold the object. Objects that it owns follow. Not there is success. */
  delete(kind: Kind, key: ObjectKey): Promise<void>;

  /** Tells people what happened to an object. Best effort: a failure is logged and never reaches the caller. */
  recordEvent(object: Resource, event: ObjectEvent): Promise<void>;
}

export type ObjectChange = { type: 'present' | 'gone'; object: Resource };

export interface ObjectEvent {
  type: 'Normal' | 'Warning';
  /** The same word as the condition's reason. */
  reason: string;
  message: string;
}

export type ObjectsErrorCode = 'NotFound' | 'AlreadyExists' | 'Conflict' | 'Invalid' | 'Forbidden' | 'Unavailable';

export class ObjectsError extends Error {
  readonly code: ObjectsErrorCode;
  /** How long the server asked us to stay away. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ObjectsErrorCode, message: string, details: { retryAfterMs?: number; cause?: unknown } = {}) {
    // A webhook may write pages, and what it says ends up in a status.
    super(cutText(message), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ObjectsError';
    this.code = code;
    this.retryAfterMs = details.retryAfterMs;
  }
}
