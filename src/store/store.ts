/**
 * A place for bytes. Every driver keeps the whole of this contract; `conformance` in the tests checks it on each.
 *
 * Keys are relative, `/`-separated, no segment empty or beginning with a dot; a driver refuses any other with `Internal`
 * (only our own code makes keys). Errors are `Fault`s with reasons Store*; whether an error may heal is the reason's `retry`.
 * Nothing here ever overwrites: an object that exists is never changed. A reader sees an object whole or not at all.
 */
export interface Store {
  readonly name: string;
  readonly features: StoreFeatures;

  /**
   * Writes a new object of unknown length. Bytes are pulled as they can be sent; at most `partsInFlight` parts of
   * 8 MiB are held. Resolves when the object is durable and visible. On error, or when the source throws or `signal`
   * aborts, nothing is visible under the key and the driver has removed its own half-written parts, best effort. A key
   * that is taken is `Internal`, the object there untouched.
   * Not idempotent: the caller gives each attempt a key of its own.
   */
  write(key: string, bytes: AsyncIterable<Uint8Array>, options?: WriteOptions): Promise<{ sizeBytes: number }>;

  /**
   * Writes a small object only if none has the key: `created`, or `exists` with the other left untouched. Atomic among
   * any number of writers, on any machine. Safe to retry: a caller that lost the answer reads and compares.
   */
  create(key: string, body: Uint8Array, signal?: AbortSignal): Promise<'created' | 'exists'>;

  /**
   * Bytes from `offset` to the end, or `length` of them. Throws BackupMissing when no object has the key. The iterable
   * must be consumed or returned; returning early closes the connection. A connection that breaks in the middle is
   * resumed at the byte where it broke; an object that is shorter than it said is StoreFailed, never a clean end.
   */
  read(key: string, options?: ReadOptions): AsyncIterable<Uint8Array>;

  /** The size, or undefined when no object has the key. */
  stat(key: string, signal?: AbortSignal): Promise<{ sizeBytes: number } | undefined>;

  /**
   * All objects whose key begins with `prefix` (which ends in `/` or is empty), in key order, paged inside. Lists what was
   * written before the call, always.
   */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<StoredObject>;

  /**
   * The folders directly under `prefix`, each with its whole key and a `/` at the end, in key order: `a/b/` for `a/`.
   * Finding the lineages and the sets this way does not cost a walk over every object below them.
   * A folder may turn out to hold no object.
   */
  listFolders(prefix: string, signal?: AbortSignal): Promise<string[]>;

  /** Removes an object; not there is success. Idempotent. */
  remove(key: string, signal?: AbortSignal): Promise<void>;

  /**
   * Aborts uploads under `prefix` that never became an object and were begun (S3) or last written to (files) before
   * `olderThanMs` (epoch), and answers how many. The caller names a prefix, never an empty one, that only its own dead
   * attempts use: other people's uploads in the bucket are not ours to abort.
   */
  abortStaleUploads(prefix: string, olderThanMs: number, signal?: AbortSignal): Promise<number>;

  /** Ends idle connections. The store must not be used afterwards. */
  close(): Promise<void>;
}

export interface StoreFeatures {
  /**
   * How `create` is made atomic: by the store's own conditional write, or, where a probe found none, by our fallback.
   * `unknown` until the first write: a store that is only read is not probed, because a probe writes.
   */
  conditionalWrites: 'native' | 'fallback' | 'unknown';
}

export interface StoredObject {
  key: string;
  sizeBytes: number;
  modifiedAtMs: number;
}

export interface WriteOptions {
  signal?: AbortSignal;
  /** Called with the count of bytes that are safely sent so far. */
  onProgress?: (sentBytes: number) => void;
}

export interface ReadOptions {
  offset?: number;
  length?: number;
  signal?: AbortSignal;
}

/** Every upload is cut into parts of this size: memory does not depend on the size of what is stored. S3 allows 10,000 parts. */
export const partBytes = 8 * 1024 * 1024;
export const partsInFlight = 6;
