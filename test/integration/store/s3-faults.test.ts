import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { S3Config } from '../../../src/store/s3/client.ts';
import { partBytes, partsInFlight, type Store } from '../../../src/store/store.ts';
import { freePorts } from '../../harness/cluster/free-port.ts';
import { type S3Fault, type S3FaultProxy, type SeenRequest, startS3FaultProxy } from '../../harness/s3-fault-proxy.ts';
import { makeAuthority } from '../../harness/tls.ts';
import { type S3Server, startS3Server } from '../../harness/versitygw.ts';
import { chunked, unfinishedUploads, whole } from './conformance.ts';

// Waits and deadlines pass 50 times as fast: 60 s without a byte are 1.2 s here.
const hurried: Clock = {
  ...systemClock,
  after: (delayMs, call, options) => systemClock.after(delayMs / 50, call, options),
};

const isPart = ({ method, url }: SeenRequest): boolean => method === 'PUT' && url.includes('partNumber=');
const isComplete = ({ method, url }: SeenRequest): boolean => method === 'POST' && url.includes('uploadId=');
const isRead = ({ method, url }: SeenRequest): boolean => method === 'GET' && !url.includes('?list-type');

/** Hits the first `count` requests that fit. */
function firstOf(count: number, fits: (seen: SeenRequest) => boolean, fault: S3Fault) {
  let left = count;
  return (seen: SeenRequest): S3Fault | undefined => {
    if (!fits(seen) || left === 0) return undefined;
    left -= 1;
    return fault;
  };
}

describe('S3 on a bad day', () => {
  let server: S3Server;
  let proxy: S3FaultProxy;
  let store: Store;
  const key = (): string => `t-${randomUUID()}/object`;
  const open = (more: Partial<S3Config> = {}): Store =>
    openStore(server.config('bucket', { endpoint: proxy.endpoint, ...more }), { clock: hurried });
  const unfinished = (): Promise<string[]> => unfinishedUploads(server, 'bucket');

  beforeAll(async () => {
    server = await startS3Server();
    server.makeBucket('bucket');
    proxy = await startS3FaultProxy(server);
    store = open();
    // The probe is over before the first fault.
    await store.create('probe/done', Buffer.from('x'));
    proxy.seen.length = 0;
  });
  afterEach(() => {
    proxy.rule = undefined;
    proxy.seen.length = 0;
  });
  afterAll(async () => {
    await store?.close();
    await proxy?.stop();
    await server?.stop();
  });

  it('403 is StoreDenied at once, and names the place', async () => {
    proxy.rule = () => ({ kind: 'answer', status: 403, code: 'AccessDenied' });
    const at = key();
    await expect(store.create(at, Buffer.from('x'))).rejects.toMatchObject({
      reason: 'StoreDenied',
      where: `s3://bucket/${at}`,
    });
    expect(proxy.seen).toHaveLength(1);
    await expect(store.stat(at)).rejects.toMatchObject({ reason: 'StoreDenied' });
    await expect(whole(store, at)).rejects.toMatchObject({ reason: 'StoreDenied' });
  });

  it('a wrong secret key is StoreDenied, and the key is in no message', async () => {
    const wrong = open({ secretAccessKey: 'wrong-secret-of-mine' });
    const thrown = await wrong.create(key(), Buffer.from('x')).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ reason: 'StoreDenied' });
    expect(String((thrown as Error).stack)).not.toContain('wrong-secret-of-mine');
    await wrong.close();
  });

  it('a missing bucket is StoreMissing for every call, also for one that could say "no such object"', async () => {
    const elsewhere = open({ bucket: 'no-such-bucket' });
    const missing = { reason: 'StoreMissing' };
    await expect(elsewhere.stat('a')).rejects.toMatchObject(missing);
    await expect(whole(elsewhere, 'a')).rejects.toMatchObject(missing);
    await expect(elsewhere.listFolders('')).rejects.toMatchObject(missing);
    await expect(elsewhere.create('a', Buffer.from('x'))).rejects.toMatchObject(missing);
    await expect(elsewhere.write('a', chunked(Buffer.from('x'), 1))).rejects.toMatchObject(missing);
    await elsewhere.close();
  });

  it('a store where nobody listens is StoreUnreachable', async () => {
    const [port] = await freePorts('127.0.0.1', 1);
    const nowhere = open({ endpoint: `http://127.0.0.1:${port}` });
    await expect(nowhere.create('a', Buffer.from('x'))).rejects.toMatchObject({ reason: 'StoreUnreachable' });
    await nowhere.close();
  });

  it('a server that never answers is StoreUnreachable after the deadlines', async () => {
    proxy.rule = () => ({ kind: 'hang' });
    const silent = open();
    await expect(silent.stat('a')).rejects.toMatchObject({ reason: 'StoreUnreachable' });
    await silent.close();
  });

  it.each<[string, S3Fault]>([
    ['500', { kind: 'answer', status: 500, code: 'InternalError' }],
    ['SlowDown', { kind: 'answer', status: 503, code: 'SlowDown' }],
    ['a cut connection', { kind: 'reset' }],
    ['a lost answer', { kind: 'lose-answer' }],
  ])('%s now and then does not hurt an upload: the very bytes arrive', async (_, fault) => {
    let count = 0;
    proxy.rule = (seen) => {
      if (seen.method === 'GET') return undefined;
      count += 1;
      return count % 3 === 1 ? fault : undefined;
    };
    const content = randomBytes(5 * partBytes + 77);
    const at = key();
    expect(await store.write(at, chunked(content, 1 << 20))).toEqual({ sizeBytes: content.length });
    proxy.rule = undefined;
    expect((await whole(store, at)).equals(content)).toBe(true);
    expect(await unfinished()).toEqual([]);
  });

  it('a server that stays broken fails the upload, and nothing stays behind', async () => {
    proxy.rule = (seen) => (isPart(seen) ? { kind: 'answer', status: 503, code: 'SlowDown' } : undefined);
    const at = key();
    const content = randomBytes(3 * partBytes);
    await expect(store.write(at, chunked(content, 1 << 20))).rejects.toMatchObject({ reason: 'StoreFailed' });
    expect(await store.stat(at)).toBeUndefined();
    expect(await unfinished()).toEqual([]);
  });

  it('a failed part ends the upload although the source stands still', async () => {
    proxy.rule = (seen) => (isPart(seen) ? { kind: 'answer', status: 403, code: 'AccessDenied' } : undefined);
    async function* source(): AsyncGenerator<Uint8Array> {
      yield* chunked(Buffer.alloc(2 * partBytes), 1 << 20);
      await new Promise(() => undefined);
    }
    await expect(store.write(key(), source())).rejects.toMatchObject({ reason: 'StoreDenied' });
    expect(await unfinished()).toEqual([]);
  });

  it('create knows that it won although the answer was lost, and that another did', async () => {
    const at = key();
    proxy.rule = firstOf(1, ({ method }) => method === 'PUT', { kind: 'lose-answer' });
    expect(await store.create(at, Buffer.from('mine'))).toBe('created');
    proxy.rule = firstOf(1, ({ method }) => method === 'PUT', { kind: 'lose-answer' });
    expect(await store.create(at, Buffer.from('mine'))).toBe('exists');
  });

  // What a store says to a repeated request differs: done again, no such upload, or the key is taken.
  it.each([undefined, 404, 412])('an upload whose last answer was lost is found done (then: %s)', async (status) => {
    let completes = 0;
    proxy.rule = (seen) => {
      if (!isComplete(seen)) return undefined;
      completes += 1;
      if (completes === 1) return { kind: 'lose-answer' };
      return status === undefined ? undefined : { kind: 'answer', status, code: 'OnRequest' };
    };
    const at = key();
    const content = randomBytes(2 * partBytes);
    expect(await store.write(at, chunked(content, 1 << 20))).toEqual({ sizeBytes: content.length });
    expect((await whole(store, at)).equals(content)).toBe(true);
  });

  it('an upload that the store has forgotten fails, and is not taken for done', async () => {
    proxy.rule = (seen) => (isComplete(seen) ? { kind: 'answer', status: 404, code: 'NoSuchUpload' } : undefined);
    await expect(store.write(key(), chunked(randomBytes(2 * partBytes), 1 << 20))).rejects.toMatchObject({
      reason: 'StoreFailed',
    });
  });

  it('an upload goes on when the server is killed and comes back', async () => {
    const at = key();
    const content = randomBytes(6 * partBytes);
    async function* source(): AsyncGenerator<Uint8Array> {
      yield* chunked(content.subarray(0, 3 * partBytes), 1 << 20);
      await server.kill('SIGKILL');
      const back = new Promise((resolve) => setTimeout(resolve, 100)).then(() => server.restart());
      yield* chunked(content.subarray(3 * partBytes), 1 << 20);
      await back;
    }
    const patient = openStore(server.config('bucket'), { clock: systemClock });
    await patient.write(at, source());
    expect((await whole(patient, at)).equals(content)).toBe(true);
    await patient.close();
  });

  it('no more than the parts in flight is held while the server is slow', async () => {
    proxy.rule = (seen) => (isPart(seen) ? { kind: 'delay', delayMs: 150 } : undefined);
    let pulled = 0;
    let sent = 0;
    let most = 0;
    async function* source(): AsyncGenerator<Uint8Array> {
      const chunk = Buffer.alloc(1 << 20);
      for (let i = 0; i < 20 * 8; i += 1) {
        pulled += chunk.length;
        yield chunk;
        most = Math.max(most, pulled - sent);
      }
    }
    const onProgress = (count: number): void => {
      sent = count;
    };
    await store.write(key(), source(), { onProgress });
    expect(most).toBeLessThanOrEqual(partsInFlight * partBytes);
    expect(most).toBeGreaterThan((partsInFlight - 2) * partBytes);
  });

  it.each([0, 1, 70_000, partBytes - 1])('a body cut after %i bytes goes on at that byte', async (afterBytes) => {
    const at = key();
    const content = randomBytes(partBytes);
    await store.write(at, chunked(content, 1 << 20));
    proxy.seen.length = 0;
    proxy.rule = firstOf(1, isRead, { kind: 'cut-body', afterBytes });
    expect((await whole(store, at)).equals(content)).toBe(true);
    proxy.rule = firstOf(1, isRead, { kind: 'cut-body', afterBytes: Math.min(afterBytes, 1_000) });
    const range = await whole(store, at, { offset: 5, length: 100_000 });
    expect(range.equals(content.subarray(5, 100_005))).toBe(true);
    expect(proxy.seen.filter(isRead)).toHaveLength(4);
  });

  it('a body that is cut again and again but moves on is read to its end', async () => {
    const at = key();
    const content = randomBytes(1_000_000);
    await store.write(at, chunked(content, 1 << 20));
    proxy.rule = (seen) => (isRead(seen) ? { kind: 'cut-body', afterBytes: 60_000 } : undefined);
    expect((await whole(store, at)).equals(content)).toBe(true);
  });

  it('a body that never gets further fails, and never ends as if it were whole', async () => {
    const at = key();
    await store.write(at, chunked(randomBytes(100_000), 1 << 20));
    proxy.rule = (seen) => (isRead(seen) ? { kind: 'cut-body', afterBytes: 0 } : undefined);
    await expect(whole(store, at)).rejects.toMatchObject({ reason: 'StoreUnreachable' });
  });

  it('a body that stalls is asked for again', async () => {
    const at = key();
    const content = randomBytes(300_000);
    await store.write(at, chunked(content, 1 << 20));
    proxy.rule = firstOf(1, isRead, { kind: 'stall-body', afterBytes: 100_000 });
    expect((await whole(store, at)).equals(content)).toBe(true);
  });

  it('an object that lost its end while it was read is StoreFailed', async () => {
    const at = key();
    await store.write(at, chunked(randomBytes(1_000_000), 1 << 20));
    proxy.rule = firstOf(1, isRead, { kind: 'cut-body', afterBytes: 500_000 });
    const reading = (async () => {
      for await (const _ of store.read(at)) await truncate(join(server.dataDir, 'bucket', at), 10);
    })();
    await expect(reading).rejects.toMatchObject({ reason: 'StoreFailed' });
  });

  it('an object that another took the place of is not read on', async () => {
    const at = key();
    await store.write(at, chunked(randomBytes(1_000_000), 1 << 20));
    proxy.rule = firstOf(1, isRead, { kind: 'cut-body', afterBytes: 500_000 });
    const reading = (async () => {
      let swapped = false;
      for await (const _ of store.read(at)) {
        if (swapped) continue;
        swapped = true;
        await store.remove(at);
        await store.write(at, chunked(randomBytes(1_000_000), 1 << 20));
      }
    })();
    await expect(reading).rejects.toMatchObject({ reason: 'StoreFailed' });
  });

  it('a store without conditional writes is found out by the probe, whatever it says to them', async () => {
    for (const answer of [501, 400]) {
      const other = open({ prefix: `probe-${answer}` });
      proxy.rule = ({ headers }) =>
        headers['if-none-match'] ? { kind: 'answer', status: answer, code: 'NotImplemented' } : undefined;
      expect(other.features.conditionalWrites).toBe('unknown');
      expect(await other.create('once', Buffer.from('one'))).toBe('created');
      expect(other.features.conditionalWrites).toBe('fallback');
      expect(await other.create('once', Buffer.from('two'))).toBe('exists');
      expect((await whole(other, 'once')).toString()).toBe('one');
      await other.close();
    }
    expect(store.features.conditionalWrites).toBe('native');
  });

  it('a probe that could not be made is made again', async () => {
    const other = open({ prefix: 'probe-again' });
    proxy.rule = () => ({ kind: 'answer', status: 403, code: 'AccessDenied' });
    await expect(other.create('a', Buffer.from('x'))).rejects.toMatchObject({ reason: 'StoreDenied' });
    proxy.rule = undefined;
    expect(await other.create('a', Buffer.from('x'))).toBe('created');
    expect(other.features.conditionalWrites).toBe('native');
    await other.close();
  });

  it('a checksum header is sent when asked for and not otherwise, and the path holds the bucket', async () => {
    const putsOf = async (requestChecksums: 'WhenSupported' | 'WhenRequired'): Promise<SeenRequest[]> => {
      const other = open({ requestChecksums, prefix: `sums-${requestChecksums}` });
      proxy.seen.length = 0;
      await other.write('big', chunked(Buffer.alloc(2 * partBytes), 1 << 20));
      await other.write('small', chunked(Buffer.from('x'), 1));
      await other.close();
      return proxy.seen.filter(({ method }) => method === 'PUT');
    };
    const hasSum = ({ headers }: SeenRequest): boolean =>
      Object.keys(headers).some((name) => name.startsWith('x-amz-checksum-'));
    const plain = await putsOf('WhenRequired');
    expect(plain.some(hasSum)).toBe(false);
    expect(plain.every(({ headers }) => /^[0-9a-f]{64}$/.test(String(headers['x-amz-content-sha256'])))).toBe(true);
    expect(plain.every(({ url }) => url.startsWith('/bucket/'))).toBe(true);
    expect((await putsOf('WhenSupported')).every(hasSum)).toBe(true);
  });
});

describe('S3 over TLS', () => {
  let dir: string;
  let server: S3Server;
  let authority: ReturnType<typeof makeAuthority>;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'backstay-tls-'));
    authority = makeAuthority(dir);
    server = await startS3Server({ tls: authority.issue('localhost') });
    server.makeBucket('bucket');
  });
  afterAll(async () => {
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });
  const createAt = async (host: string, more: Partial<S3Config>): Promise<string> => {
    const endpoint = `https://${host}:${server.port}`;
    const store = openStore(server.config('bucket', { endpoint, ...more }), { clock: systemClock });
    try {
      return await store.create(`t-${randomUUID()}`, Buffer.from('x'));
    } finally {
      await store.close();
    }
  };

  it('a certificate of the given authority is accepted', async () => {
    expect(await createAt('localhost', { caPem: authority.caPem })).toBe('created');
  });

  it('without the authority, with another one, or for another name, it is TlsFailed', async () => {
    const failed = { reason: 'TlsFailed' };
    await expect(createAt('localhost', {})).rejects.toMatchObject(failed);
    await expect(createAt('localhost', { caPem: makeAuthority(dir, 'other').caPem })).rejects.toMatchObject(failed);
    await expect(createAt('127.0.0.1', { caPem: authority.caPem })).rejects.toMatchObject(failed);
  });
});
