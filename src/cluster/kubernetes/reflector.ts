import { StringDecoder } from 'node:string_decoder';
import { type Backoff, backoffDelayMs } from '../../base/backoff.ts';
import { type Clock, sleep } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { WatchInstrument } from '../instruments.ts';
import { ApiError, apiErrorFromStatus } from './api-error.ts';
import type { ApiClient } from './http.ts';
import { currentVersion, isExpired, listAll, type RawObject } from './list.ts';
import { isNewer } from './version.ts';

export interface ReflectorTimings {
  /** How long the server is asked to keep one watch open: anywhere between, so that watches do not end together. */
  watchMinMs: number;
  watchMaxMs: number;
  /** A watch that says nothing for this long is dead. More than the minute between two bookmarks. */
  inactivityMs: number;
  /** A watch that ends sooner and without an event is a failure: else a broken proxy makes a hot loop. */
  shortWatchMs: number;
  backoff: Backoff;
}

export const reflectorTimings: ReflectorTimings = {
  watchMinMs: 300_000,
  watchMaxMs: 600_000,
  inactivityMs: 150_000,
  shortWatchMs: 1_000,
  backoff: { firstMs: 1_000, factor: 2, capMs: 30_000 },
};

export interface ReflectorOptions<T> {
  client: ApiClient;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  log: Logger;
  path: string;
  /**
   * For a path of one namespace among several: the others do not wait for rights that are missing in this one. Refused so
   * often in a row that it is no server which has just started, the path counts as listed, and empty, and the watch as
   * stopped, until the rights come; it goes on asking. Left out: the path is waited for.
   */
  namespace?: string | undefined;
  query?: Record<string, string>;
  /** What is kept in memory of an object, and handed over. */
  keep: (raw: RawObject) => T;
  /** Only notes what has to be looked at; what it throws is logged. */
  onChange: (change: { type: 'present' | 'gone'; object: T }) => void;
  /** Everything up to this version was handed over. */
  onPosition?: (resourceVersion: string) => void;
  /** Nothing that was handed over holds any more; each object was told gone. What there is follows, if it may be read. */
  onForgotten?: () => void;
  timings?: ReflectorTimings;
}

/** An API server that has just started may refuse what it will allow once it has read the roles. */
const believedRefusals = 3;

/**
 * List and watch of one path, kept alive until `signal` is aborted: whatever the server or the network does, it lists or
 * watches again after a jittered backoff. client-node's informer dies after one 500 and opens a watch after it was
 * stopped; docs/adr has the list. Resolves when the first full list was handed over, or at the abort.
 */
export function reflect<T>(options: ReflectorOptions<T>, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const reflector = new Reflector(options, signal);
  reflector.run(resolve).then(resolve, (error) => {
    options.log.fatal({ path: options.path, err: error }, 'the watch ended by a defect');
    resolve();
  });
  return promise;
}

/** Versions only grow, unless the server's data was replaced by older data. */
class WentBack extends Error {}

type WatchEvent =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; object: RawObject }
  | { type: 'ERROR'; object: { code?: number; reason?: string; message?: string } };

class Reflector<T> {
  readonly #options: ReflectorOptions<T>;
  readonly #timings: ReflectorTimings;
  readonly #signal: AbortSignal;
  #instrument: WatchInstrument;
  /** By UID: an object that was deleted and made again under its name is another one. */
  #known = new Map<string, { resourceVersion: string; object: T }>();
  /** Where the next watch begins; none: list first. */
  #position: string | undefined;
  /** The last position there was. */
  #last = '';
  /** The last watch broke or said nothing: what lies behind its position may no longer be the server's past. */
  #isUnsure = false;
  #failures = 0;
  /** Lists that were answered with 403 since one was not. */
  #refusals = 0;
  /** Whether the last watch had a bookmark. A server has none of a kind of which nothing has happened since it started. */
  #hasBookmarks = false;

  constructor(options: ReflectorOptions<T>, signal: AbortSignal) {
    this.#options = options;
    this.#timings = options.timings ?? reflectorTimings;
    this.#signal = signal;
    this.#instrument = this.#begin();
  }

  #begin(): WatchInstrument {
    const { client, path } = this.#options;
    return client.instruments.watchBegan(path.slice(path.lastIndexOf('/') + 1));
  }

  async run(onSynced: () => void): Promise<void> {
    await this.#runUntilAborted(onSynced);
    // Not after a defect: a watch that nobody feeds any more must show as deaf.
    this.#instrument.ended();
  }

  async #runUntilAborted(onSynced: () => void): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        if (this.#position === undefined) {
          this.#reached(await this.#relist());
          this.#allowed();
          this.#instrument.heard();
          onSynced();
        }
        if (this.#isUnsure) await this.#checkPosition();
        // The signal goes with every request: a stop that comes during the list opens no watch.
        await this.#watch(this.#position ?? '');
      } catch (error) {
        if (this.#signal.aborted) return;
        if (this.#position === undefined && this.#isRefusal(error) && ++this.#refusals === believedRefusals) {
          this.#giveUp(error);
          onSynced();
        }
        await this.#recover(error);
      }
    }
  }

  /** The position to watch from. */
  async #relist(): Promise<string> {
    const { client, path, query, keep } = this.#options;
    const list = await listAll(client, path, query, this.#signal, (raw) => {
      const { uid, resourceVersion } = raw.metadata;
      return [uid, { resourceVersion, object: keep(raw) }] as const;
    });
    if (isNewer(this.#last, list.resourceVersion)) {
      this.#options.log.warn({ path, from: this.#last, to: list.resourceVersion }, 'the API server went back in time');
      this.#forget();
    }
    const before = this.#known;
    this.#known = new Map(list.items);
    for (const [uid, { object }] of before) if (!this.#known.has(uid)) this.#tell('gone', object);
    for (const [uid, { object, resourceVersion }] of this.#known) {
      if (before.get(uid)?.resourceVersion !== resourceVersion) this.#tell('present', object);
    }
    return list.resourceVersion;
  }

  /**
   * After a restore of etcd from a snapshot the versions go on from an older one. A watch from a version that is not yet
   * there says nothing until it is, and all versions in memory would pass for the newest.
   */
  async #checkPosition(): Promise<void> {
    const { client, path, query } = this.#options;
    this.#refuseOlder(await currentVersion(client, path, query, this.#signal));
    this.#isUnsure = false;
  }

  #refuseOlder(version: string): void {
    if (isNewer(this.#last, version)) throw new WentBack(`version ${version} came after ${this.#last}`);
  }

  async #watch(position: string): Promise<void> {
    const { client, clock, path, query, random } = this.#options;
    const { watchMinMs, watchMaxMs, inactivityMs, shortWatchMs } = this.#timings;
    const longMs = watchMinMs + (watchMaxMs - watchMinMs) * random();
    // Without bookmarks silence would be taken for death: then the server is asked to end the watch before that.
    const watchMs = this.#hasBookmarks ? longMs : Math.min(longMs, inactivityMs * 0.8);
    this.#hasBookmarks = false;
    const silence = new AbortController();
    const signal = AbortSignal.any([this.#signal, silence.signal]);
    const arm = () =>
      clock.after(inactivityMs, () =>
        silence.abort(new Error(`no event and no bookmark for ${inactivityMs / 1000} s`)),
      );
    const startedMs = clock.nowMs();
    let heard = false;
    let disarm = arm();
    try {
      const response = await client.stream({
        method: 'GET',
        path,
        query: {
          ...query,
          watch: 'true',
          allowWatchBookmarks: 'true',
          resourceVersion: position,
          timeoutSeconds: String(Math.ceil(watchMs / 1000)),
        },
        signal,
      });
      this.#instrument.heard();
      this.#isUnsure = true;
      for await (const line of linesOf(response)) {
        if (this.#signal.aborted) return;
        disarm();
        disarm = arm();
        this.#take(JSON.parse(line) as WatchEvent);
        this.#instrument.heard();
        heard = true;
        this.#failures = 0;
      }
      this.#isUnsure = !heard;
    } catch (error) {
      throw silence.signal.aborted ? silence.signal.reason : error;
    } finally {
      disarm();
    }
    if (!heard && clock.nowMs() - startedMs < shortWatchMs) throw new Error('the watch ended at once without an event');
  }

  #take(event: WatchEvent): void {
    if (event.type === 'ERROR') throw apiErrorFromStatus(event.object);
    const { uid, resourceVersion } = event.object.metadata;
    this.#refuseOlder(resourceVersion);
    if (event.type === 'BOOKMARK') this.#hasBookmarks = true;
    else {
      const object = this.#options.keep(event.object);
      if (event.type === 'DELETED') this.#known.delete(uid);
      else this.#known.set(uid, { resourceVersion, object });
      this.#tell(event.type === 'DELETED' ? 'gone' : 'present', object);
    }
    this.#reached(resourceVersion);
  }

  #reached(resourceVersion: string): void {
    this.#position = resourceVersion;
    this.#last = resourceVersion;
    if (!this.#signal.aborted) this.#options.onPosition?.(resourceVersion);
  }

  #tell(type: 'present' | 'gone', object: T): void {
    if (this.#signal.aborted) return;
    try {
      this.#options.onChange({ type, object });
    } catch (error) {
      this.#options.log.error({ path: this.#options.path, err: error }, 'a watch callback failed');
    }
  }

  /** Of the rights in one namespace of several: those that are missing in all of them stop everything. */
  #isRefusal(error: unknown): error is ApiError {
    return this.#options.namespace !== undefined && error instanceof ApiError && error.status === 403;
  }

  /** What is no longer told of must not be taken for what is: a run that seems to work would hold up others for ever. */
  #giveUp({ message }: ApiError): void {
    const { log, path, namespace } = this.#options;
    this.#forget();
    this.#instrument.ended();
    const advice = 'rights are missing in a watched namespace: it counts as empty until they come, the others go on';
    log.warn({ path, namespace, missing: message }, advice);
  }

  #allowed(): void {
    const { log, path, namespace } = this.#options;
    if (this.#refusals >= believedRefusals) {
      this.#instrument = this.#begin();
      log.info({ path, namespace }, 'the rights in a watched namespace have come: it is looked after again');
    }
    this.#refusals = 0;
  }

  #forget(): void {
    for (const { object } of this.#known.values()) this.#tell('gone', object);
    this.#known.clear();
    if (!this.#signal.aborted) this.#options.onForgotten?.();
  }

  async #recover(error: unknown): Promise<void> {
    const { clock, log, path, random } = this.#options;
    this.#failures++;
    if (mustRelist(error)) this.#position = undefined;
    // Versions expire in the normal course of things: the first time there is nothing to wait for and nothing to tell.
    if (isExpired(error) && this.#failures === 1) return;
    const askedMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    const delayMs = Math.max(askedMs, backoffDelayMs(this.#timings.backoff, this.#failures, random()));
    // Said once, by whoever gave up; then there is nothing new in it.
    const isToldAlready = this.#isRefusal(error);
    if (!isToldAlready) this.#instrument.restarted();
    log[isToldAlready ? 'debug' : 'warn'](
      { path, failures: this.#failures, delayMs, err: error },
      'list or watch failed; it goes on after a pause',
    );
    await sleep(clock, delayMs, this.#signal).catch(() => undefined);
  }
}

/** After a broken connection, a 5xx or a 429 the position still holds; after any other answer nothing is sure. */
function mustRelist(error: unknown): boolean {
  if (error instanceof SyntaxError || error instanceof WentBack) return true;
  return error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429;
}

/** Whole lines; what follows the last line break was cut off and is dropped. */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') yield line;
  }
}
