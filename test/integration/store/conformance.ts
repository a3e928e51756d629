import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { partBytes, type Store } from '../../../src/store/store.ts';

export interface OpenedStore {
  store: Store;
  /** What half-written uploads lie there, as the store's own tools see it. */
  unfinished: () => Promise<string[]>;
  /** Puts small objects there behind the driver's back, quickly. */
  seed: (keys: string[]) => void;
  stop: () => Promise<void>;
}

/** What every driver promises, whatever is behind it. Each test works below a prefix of its own. */
export function describeConformance(name: string, open: () => Promise<OpenedStore>): void {
  describe(`the contract of a store, kept by ${name}`, () => {
    let opened: OpenedStore;
    let store: Store;
    const folder = (): string => `t-${randomUUID()}/`;

    beforeAll(async () => {
      opened = await open();
      store = opened.store;
    });
    afterAll(() => opened?.stop());

    it.each([0, 1, partBytes - 1, partBytes, partBytes + 1, 3 * partBytes])(
      'an object of %i bytes comes back as it was written',
      async (sizeBytes) => {
        const key = `${folder()}object`;
        const content = randomBytes(sizeBytes);
        const sent: number[] = [];
        const onProgress = (count: number): void => {
          sent.push(count);
        };
        expect(await store.write(key, chunked(content, 100_003), { onProgress })).toEqual({ sizeBytes });
        expect(Buffer.compare(await whole(store, key), content)).toBe(0);
        expect(await store.stat(key)).toEqual({ sizeBytes });
        expect(sent.at(-1)).toBe(sizeBytes);
      },
    );

    it('100 MB are written and read without a difference', async () => {
      const key = `${folder()}big`;
      const written = createHash('sha256');
      async function* source(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < 100; at += 1) {
          const chunk = randomBytes(1_000_000);
          written.update(chunk);
          yield chunk;
        }
      }
      await store.write(key, source());
      const read = createHash('sha256');
      let count = 0;
      for await (const chunk of store.read(key)) {
        read.update(chunk);
        count += chunk.length;
      }
      expect(count).toBe(100_000_000);
      expect(read.digest('hex')).toBe(written.digest('hex'));
    });

    it('a key that is taken is never overwritten by write', async () => {
      for (const sizeBytes of [10, 2 * partBytes]) {
        const key = `${folder()}taken`;
        await store.write(key, chunked(Buffer.from('first'), 5));
        await expect(store.write(key, chunked(randomBytes(sizeBytes), 1 << 20))).rejects.toMatchObject({
          reason: 'Internal',
        });
        expect((await whole(store, key)).toString()).toBe('first');
      }
      expect(await opened.unfinished()).toEqual([]);
    });

    it('create writes once and leaves the other untouched', async () => {
      const key = `${folder()}once`;
      expect(await store.create(key, Buffer.from('one'))).toBe('created');
      expect(await store.create(key, Buffer.from('two'))).toBe('exists');
      expect((await whole(store, key)).toString()).toBe('one');
    });

    it('of 100 creates of one key at the same time exactly one wins, and its bytes are there', async () => {
      const key = `${folder()}race`;
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, i) => store.create(key, Buffer.from(`writer ${i}`))),
      );
      const winners = answers.flatMap((answer, i) => (answer === 'created' ? [i] : []));
      expect(winners).toHaveLength(1);
      expect((await whole(store, key)).toString()).toBe(`writer ${winners[0]}`);
    });

    it('a range is read exactly, and ends at the end of the object', async () => {
      const key = `${folder()}range`;
      const content = randomBytes(3_000_000);
      await store.write(key, chunked(content, 1 << 20));
      for (const [offset, length] of [
        [0, 10],
        [1_048_570, 20],
        [2_999_999, 1],
        [5, undefined],
        [2_999_990, 500],
        [3_000_000, undefined],
        [3_000_005, 10],
        [17, 0],
      ] as const) {
        const got = await whole(store, key, { offset, ...(length === undefined ? {} : { length }) });
        const want = content.subarray(offset, length === undefined ? undefined : offset + length);
        expect([offset, length, Buffer.compare(got, want)]).toEqual([offset, length, 0]);
      }
    });

    it('reading can be left early, and begun again', async () => {
      const key = `${folder()}early`;
      await store.write(key, chunked(randomBytes(2 * partBytes), 1 << 20));
      for (let i = 0; i < 30; i += 1) {
        for await (const chunk of store.read(key)) {
          expect(chunk.length).toBeGreaterThan(0);
          break;
        }
      }
    });

    it('what is not there is undefined to stat and BackupMissing to read', async () => {
      const key = `${folder()}nothing`;
      expect(await store.stat(key)).toBeUndefined();
      await expect(whole(store, key)).rejects.toMatchObject({ reason: 'BackupMissing' });
    });

    it('a listing has every object below the prefix in key order, and none beside it', async () => {
      const under = folder();
      const names = ['a', 'a-b', 'a/b', 'a/c/d', 'a.json', 'a0', 'b/x', 'Z'];
      await store.create(`${under.slice(0, -1)}-sibling/x`, Buffer.from('x'));
      for (const name of names) await store.create(under + name + '/leaf', Buffer.from('12345'));
      const listed = await everything(store.list(under));
      const want = names
        .map((name) => `${under}${name}/leaf`)
        .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(listed.map(({ key }) => key)).toEqual(want);
      expect(listed.every(({ sizeBytes }) => sizeBytes === 5)).toBe(true);
      expect(Math.abs((listed[0]?.modifiedAtMs ?? 0) - Date.now())).toBeLessThan(60_000);
      const deeper = await everything(store.list(`${under}a/`));
      expect(deeper.map(({ key }) => key)).toEqual(want.filter((key) => key.startsWith(`${under}a/`)));
      expect(await everything(store.list(`${under}none/`))).toEqual([]);
    });

    it('the folders of a prefix are named once each, in order, objects left out', async () => {
      const under = folder();
      for (const name of ['x/1', 'x/2', 'x-y/1', 'b/c/d', 'file']) await store.create(under + name, Buffer.from('x'));
      expect(await store.listFolders(under)).toEqual([`${under}b/`, `${under}x-y/`, `${under}x/`]);
      expect(await store.listFolders(`${under}none/`)).toEqual([]);
    });

    it('a listing of more than one page is complete', async () => {
      const under = folder();
      const keys = Array.from({ length: 1_205 }, (_, i) => `${under}${String(i).padStart(5, '0')}`);
      opened.seed(keys);
      expect((await everything(store.list(under))).map(({ key }) => key)).toEqual(keys);
    });

    it('unusual characters in a key are kept', async () => {
      const under = folder();
      const names = [
        'space here',
        'plus+plus',
        'per%20cent',
        'ümläut',
        '日本',
        '🐘',
        'quote\'"',
        '#?&=;:@,',
        '(a)[b]{c}',
        '~tilde',
        '<xml>',
      ];
      for (const name of names) await store.write(`${under}${name}/leaf`, chunked(Buffer.from(name), 4));
      for (const name of names) expect((await whole(store, `${under}${name}/leaf`)).toString()).toBe(name);
      const listed = (await everything(store.list(under))).map(({ key }) => key);
      expect(new Set(listed)).toEqual(new Set(names.map((name) => `${under}${name}/leaf`)));
      for (const name of names) await store.remove(`${under}${name}/leaf`);
      expect(await everything(store.list(under))).toEqual([]);
    });

    it.each(['', '/a', 'a/', 'a//b', '../a', 'a/../b', 'a/./b', '.backstay/x', 'a\0b', 'a\nb'])(
      'the key %j is refused everywhere',
      async (key) => {
        const refused = { reason: 'Internal' };
        await expect(store.create(key, Buffer.from('x'))).rejects.toMatchObject(refused);
        await expect(store.write(key, chunked(Buffer.from('x'), 1))).rejects.toMatchObject(refused);
        await expect(store.stat(key)).rejects.toMatchObject(refused);
        await expect(store.remove(key)).rejects.toMatchObject(refused);
        await expect((async () => whole(store, key))()).rejects.toMatchObject(refused);
        await expect(everything(store.list(`${key}x`))).rejects.toMatchObject(refused);
      },
    );

    it('remove removes, twice without complaint, and the name can be used again', async () => {
      const key = `${folder()}gone`;
      await store.create(key, Buffer.from('x'));
      await store.remove(key);
      await store.remove(key);
      expect(await store.stat(key)).toBeUndefined();
      expect(await store.create(key, Buffer.from('y'))).toBe('created');
    });

    it.each([10, partBytes + 10, 9 * partBytes])(
      'a source that fails after %i bytes leaves nothing, and its own error is thrown',
      async (sizeBytes) => {
        const under = folder();
        const mine = new Error('the dump broke');
        async function* source(): AsyncGenerator<Uint8Array> {
          yield* chunked(Buffer.alloc(sizeBytes), 1 << 20);
          throw mine;
        }
        await expect(store.write(`${under}x`, source())).rejects.toBe(mine);
        expect(await everything(store.list(under))).toEqual([]);
        expect(await opened.unfinished()).toEqual([]);
      },
    );

    it.each([0, partBytes + 10])(
      'an abort ends a write whose source stands still after %i bytes, and leaves nothing',
      async (sizeBytes) => {
        const under = folder();
        const controller = new AbortController();
        const reason = new Error('stopped');
        async function* source(): AsyncGenerator<Uint8Array> {
          yield* chunked(Buffer.alloc(sizeBytes), 1 << 20);
          setTimeout(() => controller.abort(reason), 50);
          await new Promise(() => undefined);
        }
        await expect(store.write(`${under}x`, source(), { signal: controller.signal })).rejects.toBe(reason);
        expect(await everything(store.list(under))).toEqual([]);
        expect(await opened.unfinished()).toEqual([]);
      },
    );

    it('a signal that is already aborted stops every call', async () => {
      const signal = AbortSignal.abort(new Error('stopped'));
      const key = `${folder()}x`;
      await expect(store.create(key, Buffer.from('x'), signal)).rejects.toThrow('stopped');
      await expect(store.write(key, chunked(Buffer.from('x'), 1), { signal })).rejects.toThrow('stopped');
      expect(await store.stat(key)).toBeUndefined();
      await store.create(key, Buffer.from('x'));
      await expect(whole(store, key, { signal })).rejects.toThrow('stopped');
      await expect(everything(store.list(key.slice(0, 39), signal))).rejects.toThrow('stopped');
    });

    it('an object is not visible before it is whole', async () => {
      const under = folder();
      async function* source(): AsyncGenerator<Uint8Array> {
        yield* chunked(Buffer.alloc(2 * partBytes + 1), 1 << 20);
        expect(await store.stat(`${under}x`)).toBeUndefined();
        expect(await everything(store.list(under))).toEqual([]);
        yield Buffer.from('end');
      }
      await store.write(`${under}x`, source());
      expect(await store.stat(`${under}x`)).toEqual({ sizeBytes: 2 * partBytes + 4 });
    });

    it('stale uploads are aborted below the prefix only, young ones and objects never', async () => {
      const under = folder();
      const beside = `${under.slice(0, -1)}-sibling/`;
      await store.create(`${under}a/object`, Buffer.from('x'));
      const begun = [await beginAndHang(store, `${under}a/one`), await beginAndHang(store, `${beside}a/two`)];
      expect(await opened.unfinished()).toHaveLength(2);
      expect(await store.abortStaleUploads(under, Date.now() - 3_600_000)).toBe(0);
      expect(await store.abortStaleUploads(`${under}a/`, Date.now() + 3_600_000)).toBe(1);
      expect(await opened.unfinished()).toHaveLength(1);
      expect(await store.stat(`${under}a/object`)).toEqual({ sizeBytes: 1 });
      await expect(store.abortStaleUploads('', Date.now())).rejects.toMatchObject({ reason: 'Internal' });
      for (const { stop } of begun) await stop();
      expect(await opened.unfinished()).toEqual([]);
    });
  });
}

/** A write that has sent at least one part and waits for its source. */
async function beginAndHang(store: Store, key: string): Promise<{ stop: () => Promise<void> }> {
  const controller = new AbortController();
  const { promise: sent, resolve } = Promise.withResolvers<void>();
  async function* source(): AsyncGenerator<Uint8Array> {
    yield* chunked(Buffer.alloc(2 * partBytes), 1 << 20);
    await new Promise(() => undefined);
  }
  const writing = store
    .write(key, source(), { signal: controller.signal, onProgress: () => resolve() })
    .catch(() => undefined);
  await sent;
  return {
    stop: async () => {
      controller.abort(new Error('stopped'));
      await writing;
    },
  };
}

export async function whole(store: Store, key: string, options = {}): Promise<Buffer> {
  return Buffer.concat(await everything(store.read(key, options)));
}

export async function* chunked(content: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += chunkBytes) yield content.subarray(at, at + chunkBytes);
}

/** Objects as plain files, all in one folder. */
export function seedFiles(root: string, keys: string[]): void {
  mkdirSync(join(root, dirname(keys[0] ?? '')), { recursive: true });
  for (const key of keys) writeFileSync(join(root, key), 'x');
}

/** The keys of all multipart uploads that a bucket holds, as another client sees them. */
export async function unfinishedUploads(
  { endpoint, accessKeyId, secretAccessKey }: { endpoint: string; accessKeyId: string; secretAccessKey: string },
  bucket: string,
): Promise<string[]> {
  const credentials = { accessKeyId, secretAccessKey };
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  try {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    return Uploads.map(({ Key = '' }) => Key);
  } finally {
    client.destroy();
  }
}

export async function everything<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}
