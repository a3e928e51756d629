import { readdirSync, readFileSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { SetSummary } from '../../../src/contract/report.ts';
import type { TaskStore } from '../../../src/contract/task.ts';
import { s3Store } from '../../harness/agent-task.ts';
import type { S3Fault, SeenRequest } from '../../harness/s3-fault-proxy.ts';
import { BadDay, deadlineIn, failureOf, isObject, isObjectRead, setOf, whenever } from './bad-day.ts';

let day: BadDay;
let store: TaskStore;
let prefix: string;
let set: SetSummary;

beforeAll(async () => {
  day = await BadDay.begin();
  ({ store, prefix } = day.newStore());
  set = setOf(await day.backup(store));
  expect(set.objectCount).toBeGreaterThan(2);
});

afterAll(() => day?.end());

beforeEach(() => day.emptyTarget());

const always = (status: number, code: string): S3Fault => ({ kind: 'answer', status, code });

/** Of a later object: pg_restore is at work already. */
const isLaterRead = (seen: SeenRequest): boolean => isObjectRead(seen) && seen.url.includes('/dump-00002');

/** Frames are whole, and so is what is left: only the manifest's length tells. */
function cutLastFrame(path: string): void {
  const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
  const border = readFileSync(path).lastIndexOf(magic);
  expect(border).toBeGreaterThan(0);
  truncateSync(path, border);
}

const file = (number: number): string =>
  join(day.server.dataDir, 'bucket', prefix, set.manifestKey, '..', set.attempt, `dump-0000${number}.pgdump`);

describe('a restore from S3 fails with the right reason, and the target stays empty', () => {
  it.each<[string, S3Fault, string]>([
    ['403 in the middle', always(403, 'AccessDenied'), 'StoreDenied'],
    ['500 in the middle', always(500, 'InternalError'), 'StoreFailed'],
    ['a body that is always cut at its beginning', { kind: 'cut-body', afterBytes: 0 }, 'StoreUnreachable'],
    ['one bit flipped on the way', { kind: 'flip-bit', atByte: 2_000_000 }, 'DataCorrupt'],
  ])('%s', async (_what, fault, reason) => {
    day.proxy.rule = whenever(isLaterRead, fault);
    const found = failureOf(await day.restore(store, set));
    expect(found.reason).toBe(reason);
    expect(found.message).toContain('dump-00002.pgdump');
    expect(day.proxy.seen.some(isLaterRead)).toBe(true);
    await day.expectEmptyTarget();
  });

  it('a store that refuses everything', async () => {
    day.proxy.rule = () => always(403, 'AccessDenied');
    expect(failureOf(await day.restore(store, set)).reason).toBe('StoreDenied');
    await day.expectEmptyTarget();
  });

  it('a bucket that is missing', async () => {
    const found = failureOf(await day.restore(s3Store(day.server, { bucket: 'no-such-bucket' }), set));
    expect(found.reason).toBe('StoreMissing');
    expect(found.message).toContain('s3://no-such-bucket');
    await day.expectEmptyTarget();
  });

  it('a body that stalls until the time for the task is over', async () => {
    day.proxy.rule = whenever(isLaterRead, { kind: 'stall-body', afterBytes: 1000 });
    const found = failureOf(await day.restore(store, set, { deadlineMs: deadlineIn(2) }));
    expect(found.reason).toBe('DeadlineExceeded');
    expect(day.proxy.seen.some(isLaterRead)).toBe(true);
    await day.expectEmptyTarget();
  });

  it('an object that is missing: it is said before an object is read', async () => {
    renameSync(file(3), `${file(3)}-away`);
    const found = failureOf(await day.restore(store, set));
    renameSync(`${file(3)}-away`, file(3));
    expect(found.reason).toBe('DataCorrupt');
    expect(found.message).toContain('dump-00003.pgdump');
    expect(day.proxy.seen.filter(isObject)).toEqual([]);
    await day.expectEmptyTarget();
  });
});

describe('what changes after everything was checked', () => {
  it.each<['Zstd' | 'None', string, (path: string) => void]>([
    ['None', 'an object vanishes', (path) => rmSync(path)],
    // Nothing is packed here: every byte is a border that no decoder sees.
    ['None', 'an object loses its end', (path) => truncateSync(path, 4_000_000)],
    ['Zstd', 'an object is cut exactly at the border of a frame', cutLastFrame],
  ])('%s: %s: DataCorrupt, and the target stays empty', async (algorithm, _what, change) => {
    const compression = { algorithm, level: algorithm === 'None' ? 0 : 3 };
    const victim = setOf(await day.backup(store, { compression }));
    const folder = join(day.server.dataDir, 'bucket', prefix, victim.manifestKey, '..', victim.attempt);
    const path = join(folder, readdirSync(folder).find((name) => name.startsWith('dump-00002')) ?? '');
    let changed = false;
    day.proxy.rule = (seen) => {
      if (isLaterRead(seen) && !changed) change(path);
      changed ||= isLaterRead(seen);
      return undefined;
    };
    const found = failureOf(await day.restore(store, victim));
    expect(found.reason).toBe('DataCorrupt');
    expect(found.message).toContain('dump-00002.pgdump');
    await day.expectEmptyTarget();
  });
});

it('a restore on a day when every answer is slow, cut or refused at first goes through', async () => {
  const faults: (S3Fault | undefined)[] = [
    always(503, 'SlowDown'),
    { kind: 'cut-body', afterBytes: 1000 },
    { kind: 'delay', delayMs: 200 },
    undefined,
  ];
  let count = 0;
  day.proxy.rule = (seen) => {
    if (seen.method !== 'GET') return undefined;
    count += 1;
    return faults[count % faults.length];
  };
  expect((await day.restore(store, set)).outcome).toBe('restored');
  expect(count).toBeGreaterThan(8);
  await day.expectRestored();
});
