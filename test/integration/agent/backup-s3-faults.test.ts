import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import { s3Store } from '../../harness/agent-task.ts';
import type { S3Fault } from '../../harness/s3-fault-proxy.ts';
import { until } from '../../harness/tool-container.ts';
import {
  BadDay,
  deadlineIn,
  failureOf,
  hurried,
  isObject,
  isObjectWrite,
  patient,
  setOf,
  whenever,
} from './bad-day.ts';

let day: BadDay;

beforeAll(async () => {
  day = await BadDay.begin();
});

afterAll(() => day?.end());

beforeEach(() => day.emptyTarget());

const always = (status: number, code: string): S3Fault => ({ kind: 'answer', status, code });

describe('a backup to S3 fails with the right reason and leaves nothing', () => {
  it.each<[string, S3Fault, string]>([
    ['403 for every object', always(403, 'AccessDenied'), 'StoreDenied'],
    ['500 for every object', always(500, 'InternalError'), 'StoreFailed'],
    ['no space for any object', always(507, 'XMinioStorageFull'), 'StoreFull'],
    ['every connection cut in the middle of a body', { kind: 'cut-upload', afterBytes: 1_000_000 }, 'StoreUnreachable'],
  ])('%s', async (_what, fault, reason) => {
    const { store, prefix } = day.newStore();
    day.proxy.rule = whenever(isObjectWrite, fault);
    const found = failureOf(await day.backup(store));
    expect(found.reason).toBe(reason);
    expect(found.message).toContain(`s3://bucket/${prefix}/pg-`);
    expect(found.message).toContain('dump-00001');
    await day.expectNothingHalfWritten(prefix);
  });

  it.each<[string, S3Fault, string]>([
    ['403 for the second part', always(403, 'AccessDenied'), 'StoreDenied'],
    ['the connection cut within the second part', { kind: 'cut-upload', afterBytes: 1_000_000 }, 'StoreUnreachable'],
  ])('%s of a large object: the upload is aborted too', async (_what, fault, reason) => {
    const { store, prefix } = day.newStore();
    day.proxy.rule = whenever((seen) => isObjectWrite(seen) && seen.url.includes('partNumber=2'), fault);
    expect(failureOf(await day.backup(store, {}, { objectBytes: 1e9 })).reason).toBe(reason);
    expect(day.proxy.seen.some(({ url }) => url.includes('partNumber=1&'))).toBe(true);
    await day.expectNothingHalfWritten(prefix);
  });

  it('a store that refuses everything: not a byte is written', async () => {
    const { store, prefix } = day.newStore();
    day.proxy.rule = () => always(403, 'AccessDenied');
    expect(failureOf(await day.backup(store)).reason).toBe('StoreDenied');
    expect(day.keys(prefix)).toEqual([]);
  });

  it('a bucket that is missing', async () => {
    const store = s3Store(day.server, { bucket: 'no-such-bucket' });
    const found = failureOf(await day.backup(store));
    expect(found.reason).toBe('StoreMissing');
    expect(found.message).toContain('s3://no-such-bucket');
  });

  it('a store that hangs until the time for the task is over', async () => {
    const { store, prefix } = day.newStore();
    day.proxy.rule = whenever(isObjectWrite, { kind: 'hang' });
    const found = failureOf(await day.backup(store, { deadlineMs: deadlineIn(2) }));
    expect(found.reason).toBe('DeadlineExceeded');
    expect(day.proxy.seen.some(isObjectWrite)).toBe(true);
    await day.expectNothingHalfWritten(prefix);
  });

  it('a manifest that is refused', async () => {
    const { store, prefix } = day.newStore();
    day.proxy.rule = whenever(({ method, url }) => method === 'PUT' && url.includes('manifest'), always(403, 'Denied'));
    const found = failureOf(await day.backup(store));
    expect(found.reason).toBe('StoreDenied');
    expect(found.message).toContain('manifest.json');
    await day.expectNothingHalfWritten(prefix);
  });

  it('a store that goes away just when it wrote the manifest: not a failure, for the backup is there', async () => {
    const { store, prefix } = day.newStore();
    let gone = false;
    day.proxy.rule = (seen) => {
      if (gone) return { kind: 'reset' };
      gone = seen.method === 'PUT' && seen.url.includes('manifest');
      return gone ? { kind: 'lose-answer' } : undefined;
    };
    const report = await day.backup(store);
    expect(report).toMatchObject({ outcome: 'unknown', message: expect.stringContaining('the manifest is lost') });
    expect(day.keys(prefix).filter((key) => key.endsWith('manifest.json'))).toHaveLength(1);
    day.proxy.rule = undefined;
    expect(setOf(await day.backup(store)).objectCount).toBeGreaterThan(1);
  });

  it('a server that ends for good in mid backup: what it still holds is garbage that the next backup removes', async () => {
    const { store, prefix } = day.newStore();
    let broken = false;
    day.proxy.rule = (seen) => {
      broken ||= isObject(seen) && seen.url.includes('dump-00003');
      return broken ? always(500, 'InternalError') : undefined;
    };
    expect(failureOf(await day.backup(store)).reason).toBe('StoreFailed');
    const left = day.keys(prefix).filter((key) => key.includes('/sets/'));
    expect(left.filter((key) => key.includes('/intent-'))).toHaveLength(1);
    expect(left.filter((key) => key.includes('/dump-'))).toHaveLength(2);
    expect(left.filter((key) => key.endsWith('manifest.json'))).toEqual([]);

    day.proxy.rule = undefined;
    const laterMs = 26 * 3_600_000;
    const clock = { ...hurried, nowMs: () => systemClock.nowMs() + laterMs };
    const late = setOf(await day.backup(store, { deadlineMs: deadlineIn(60) + laterMs }, { clock }));
    expect(day.keys(prefix).filter((key) => left.includes(key))).toEqual([]);
    expect(day.keys(prefix)).toContain(late.manifestKey);
  });
});

it('a backup whose backend is killed after 10 MB is ServerLost and leaves nothing', async () => {
  const { store, prefix } = day.newStore();
  await day.postgres.query('CREATE DATABASE large TEMPLATE shop');
  // Some 40 MB: far more than is read ahead while an object waits.
  await day.postgres.query('INSERT INTO blobs SELECT id + n, body FROM blobs, generate_series(10000, 40000, 10000) n', {
    database: 'large',
  });
  const { promise: killed, resolve } = Promise.withResolvers<void>();
  day.proxy.rule = whenever((seen) => isObjectWrite(seen) && seen.url.includes('dump-00004'), {
    kind: 'hold',
    until: killed,
  });
  const running = day.backup(store, { dump: { database: 'large' }, deadlineMs: Date.now() + 600_000 }, patient);
  try {
    await until('10 MB to be in the store', () => day.proxy.seen.some(({ url }) => url.includes('dump-00004')));
    const rows = await day.postgres.query(
      `SELECT pg_terminate_backend(pid) AS killed FROM pg_stat_activity WHERE datname = 'large' AND query LIKE 'COPY%'`,
    );
    expect(rows).toEqual([{ killed: true }]);
  } finally {
    resolve();
  }
  const found = failureOf(await running);
  expect(found.reason).toBe('ServerLost');
  expect(found.message).toContain(`localhost:${day.postgres.port}`);
  await day.expectNothingHalfWritten(prefix);
});

it('a backup to S3 on a day when every third request goes wrong is whole', async () => {
  const { store } = day.newStore();
  const faults: S3Fault[] = [
    always(500, 'InternalError'),
    { kind: 'cut-upload', afterBytes: 100 },
    { kind: 'lose-answer' },
    { kind: 'delay', delayMs: 300 },
  ];
  let count = 0;
  day.proxy.rule = ({ method }) => {
    if (method !== 'PUT' && method !== 'POST') return undefined;
    count += 1;
    return count % 3 === 0 ? faults[(count / 3) % faults.length] : undefined;
  };
  const set = setOf(await day.backup(store));
  expect(count).toBeGreaterThan(12);
  day.proxy.rule = undefined;
  expect((await day.restore(store, set)).outcome).toBe('restored');
  await day.expectRestored();
});
