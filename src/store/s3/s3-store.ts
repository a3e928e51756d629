import { createHash, randomUUID } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { checkKey, checkListPrefix, isCallersKey } from '../keys.ts';
import type { ReadOptions, Store, StoredObject, StoreFeatures, WriteOptions } from '../store.ts';
import { decide, type Notes } from './claims.ts';
import type { S3Config } from './client.ts';
import { download } from './download.ts';
import { statusOf } from './errors.ts';
import { Multipart } from './multipart.ts';
import { S3Requests } from './requests.ts';
import { upload } from './upload.ts';

// Below the configured prefix; keys of callers never begin with a dot.
const probeKey = '.backstay/probe';
const claimsFolder = '.backstay/claims';

/** A bucket, or a prefix in one, as a store. */
export class S3Store implements Store {
  readonly name: string;
  readonly features: StoreFeatures = { conditionalWrites: 'unknown' };
  readonly #requests: S3Requests;
  readonly #clock: Clock;
  readonly #root: string;
  #probe: Promise<'native' | 'fallback'> | undefined;

  constructor(config: S3Config, surroundings: { clock: Clock; log?: Logger }) {
    this.name = config.name;
    this.#clock = surroundings.clock;
    this.#requests = new S3Requests(config, surroundings);
    const prefix = (config.prefix ?? '').replace(/^\/+|\/+$/g, '');
    this.#root = prefix === '' ? '' : `${prefix}/`;
    checkListPrefix(this.#root);
  }

  async write(
    key: string,
    bytes: AsyncIterable<Uint8Array>,
    options: WriteOptions = {},
  ): Promise<{ sizeBytes: number }> {
    checkKey(key);
    const native = (await this.#conditionalWrites()) === 'native';
    // Without conditional writes this is only a guard against our own mistakes: the key is the attempt's own.
    if (!native && (await this.#requests.head(this.#root + key, options.signal)) !== undefined) {
      throw new Fault('Internal', 'an object was to be written under a key that is taken', { where: key });
    }
    return upload(this.#requests, this.#root + key, bytes, { ...options, onlyIfAbsent: native });
  }

  async create(key: string, body: Uint8Array, signal?: AbortSignal): Promise<'created' | 'exists'> {
    checkKey(key);
    signal?.throwIfAborted();
    if ((await this.#conditionalWrites()) === 'fallback') return this.#createByClaims(key, body, signal);
    return this.#requests.put(this.#root + key, body, { writer: randomUUID(), onlyIfAbsent: true, signal });
  }

  read(key: string, options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    checkKey(key);
    return download(this.#requests, this.#clock, this.#root + key, options);
  }

  async stat(key: string, signal?: AbortSignal): Promise<{ sizeBytes: number } | undefined> {
    checkKey(key);
    const found = await this.#requests.head(this.#root + key, signal);
    return found === undefined ? undefined : { sizeBytes: found.sizeBytes };
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<StoredObject> {
    checkListPrefix(prefix);
    let token: string | undefined;
    do {
      const page = await this.#requests.listPage(this.#root + prefix, { token, signal });
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        const key = Key.slice(this.#root.length);
        if (isCallersKey(key)) yield { key, sizeBytes: Size, modifiedAtMs: LastModified?.getTime() ?? 0 };
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  async listFolders(prefix: string, signal?: AbortSignal): Promise<string[]> {
    checkListPrefix(prefix);
    const folders: string[] = [];
    let token: string | undefined;
    do {
      const page = await this.#requests.listPage(this.#root + prefix, { delimiter: '/', token, signal });
      for (const { Prefix = '' } of page.CommonPrefixes ?? []) {
        const folder = Prefix.slice(this.#root.length);
        if (isCallersKey(folder.slice(0, -1))) folders.push(folder);
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return folders;
  }

  async remove(key: string, signal?: AbortSignal): Promise<void> {
    checkKey(key);
    await this.#requests.delete(this.#root + key, signal);
    if (this.features.conditionalWrites !== 'fallback') return;
    for (const claim of await this.#everyKey(this.#claimsOf(key), signal)) await this.#requests.delete(claim, signal);
  }

  async abortStaleUploads(prefix: string, olderThanMs: number, signal?: AbortSignal): Promise<number> {
    checkListPrefix(prefix);
    if (prefix === '') throw new Fault('Internal', 'stale uploads are only ever aborted below a prefix');
    const multipart = new Multipart(this.#requests);
    let count = 0;
    let after: { key?: string | undefined; uploadId?: string | undefined } = {};
    for (let more = true; more; ) {
      const page = await multipart.listPage(this.#root + prefix, after, signal);
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Key === undefined || UploadId === undefined || Initiated === undefined) continue;
        // Some stores take the prefix for a hint only.
        if (!Key.startsWith(this.#root + prefix) || Initiated.getTime() >= olderThanMs) continue;
        await multipart.abort(Key, UploadId, signal);
        count += 1;
      }
      more = page.IsTruncated === true && page.NextKeyMarker !== undefined;
      after = { key: page.NextKeyMarker, uploadId: page.NextUploadIdMarker };
    }
    return count;
  }

  async close(): Promise<void> {
    this.#requests.close();
  }

  /**
   * Writes one small object twice and looks whether the second write is refused. The object stays, always under the
   * same key: the next process then knows after one request, and a key that may not delete leaves no litter.
   */
  #conditionalWrites(): Promise<'native' | 'fallback'> {
    const probe = async (): Promise<'native' | 'fallback'> => {
      const key = this.#root + probeKey;
      const again = { writer: '', onlyIfAbsent: true };
      try {
        for (let tries = 0; tries < 2; tries += 1) {
          const body = Buffer.from('Backstay looks here whether this store keeps the first of two writes.\n');
          if ((await this.#requests.put(key, body, { ...again, writer: randomUUID() })) === 'exists') return 'native';
        }
        return 'fallback';
      } catch (thrown) {
        // The header itself is refused: 501 by the book, 400 by some.
        const status = statusOf((thrown as Error).cause);
        if (status === 501 || status === 400) return 'fallback';
        throw thrown;
      }
    };
    this.#probe ??= probe().then(
      (found) => {
        this.features.conditionalWrites = found;
        return found;
      },
      (thrown: unknown) => {
        this.#probe = undefined;
        throw thrown;
      },
    );
    return this.#probe;
  }

  async #createByClaims(key: string, body: Uint8Array, signal: AbortSignal | undefined): Promise<'created' | 'exists'> {
    const target = this.#root + key;
    if ((await this.#requests.head(target, signal)) !== undefined) return 'exists';
    const me = randomUUID().replaceAll('-', '');
    const claims = this.#claimsOf(key);
    const put = async (name: string, content: Uint8Array): Promise<void> => {
      await this.#requests.put(name, content, { writer: me, onlyIfAbsent: false, signal });
    };
    const notes: Notes = {
      write: (name) => put(claims + name, new Uint8Array()),
      list: async (prefix) =>
        (await this.#everyKey(claims + prefix, signal)).map((found) => found.slice(claims.length)),
    };
    // The body lies there before the candidacy does: whoever learns the winner can finish in its place.
    await put(`${claims}body-${me}`, body);
    const winner = await decide(notes, me);
    const winning = winner === me ? body : await this.#whole(`${claims}body-${winner}`, signal);
    // Everybody writes the same bytes: the object, once visible, never changes.
    if ((await this.#requests.head(target, signal)) === undefined) await put(target, winning);
    return winner === me ? 'created' : 'exists';
  }

  #claimsOf(key: string): string {
    return `${this.#root}${claimsFolder}/${createHash('sha256').update(key).digest('hex')}/`;
  }

  async #everyKey(prefix: string, signal: AbortSignal | undefined): Promise<string[]> {
    const found: string[] = [];
    let token: string | undefined;
    do {
      const page = await this.#requests.listPage(prefix, { token, signal });
      found.push(...(page.Contents ?? []).map(({ Key = '' }) => Key));
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return found;
  }

  async #whole(key: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of download(this.#requests, this.#clock, key, signal ? { signal } : {})) chunks.push(chunk);
    return Buffer.concat(chunks);
  }
}
