import { createHash } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { SetSummary } from '../../../src/contract/report.ts';
import type { BackupTask } from '../../../src/contract/task.ts';
import { fingerprint, generateIdentity, type Identity } from '../../../src/stream/identity.ts';
import { filesystemStore, storeDirectory } from '../../harness/agent-task.ts';
import { BadDay, failureOf, setOf } from './bad-day.ts';

const packings = {
  'zstd and age': { compression: { algorithm: 'Zstd', level: 3 }, encrypted: true },
  zstd: { compression: { algorithm: 'Zstd', level: 3 }, encrypted: false },
  gzip: { compression: { algorithm: 'Gzip', level: 1 }, encrypted: false },
  // All objects but the last have the same size, and no byte is known to a decoder.
  nothing: { compression: { algorithm: 'None', level: 0 }, encrypted: false },
} as const;
type Packing = keyof typeof packings;

let day: BadDay;
const originals = new Map<Packing, { path: string; set: SetSummary }>();
/** A copy of an original, to be damaged. */
let store: string;

beforeAll(async () => {
  day = await BadDay.begin();
  for (const [name, { compression, encrypted }] of Object.entries(packings)) {
    const path = storeDirectory();
    const change: Partial<BackupTask> = { compression, recipients: encrypted ? [day.identity.recipient] : [] };
    const set = setOf(await day.backup(filesystemStore(path), change));
    expect(set.objectCount).toBeGreaterThan(1);
    originals.set(name as Packing, { path, set });
  }
});

afterAll(async () => {
  await day?.end();
  for (const { path } of originals.values()) rmSync(path, { recursive: true, force: true });
  rmSync(store, { recursive: true, force: true });
});

beforeEach(async () => {
  if (store !== undefined) rmSync(store, { recursive: true, force: true });
  store = storeDirectory();
  await day.emptyTarget();
});

function take(packing: Packing): SetSummary {
  const { path, set } = originals.get(packing)!;
  cpSync(path, store, { recursive: true });
  return set;
}

/** Paths of the objects in order; the last one is that of the details. */
function objectsOf(set: SetSummary): string[] {
  const folder = join(store, set.manifestKey, '..', set.attempt);
  const names = readdirSync(folder).sort();
  return [
    ...names.filter((name) => name.startsWith('dump-')),
    ...names.filter((name) => !name.startsWith('dump-')),
  ].map((name) => join(folder, name));
}

const restore = (set: SetSummary, identity?: Identity) =>
  day.restore(filesystemStore(store), set, { identity: { mount: 'key', key: 'identity' } }, {}, identity);

function flipBit(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path, bytes);
}

function swap(one: string, other: string): void {
  renameSync(one, `${one}-away`);
  renameSync(other, one);
  renameSync(`${one}-away`, other);
}

describe('a damaged backup is refused, and the target stays empty', () => {
  it.each(Object.keys(packings) as Packing[])('one bit is flipped in an object (%s)', async (packing) => {
    const set = take(packing);
    flipBit(objectsOf(set)[1]!);
    const found = failureOf(await restore(set));
    expect(found.reason).toBe('DataCorrupt');
    expect(found.message).toContain('dump-00002');
    await day.expectEmptyTarget();
  });

  it('two objects are swapped', async () => {
    const set = take('zstd and age');
    const [first, second] = objectsOf(set);
    swap(first!, second!);
    const found = failureOf(await restore(set));
    expect(found.reason).toBe('DataCorrupt');
    expect(found.message).toContain('dump-00001');
    await day.expectEmptyTarget();
  });

  it('two objects of one size are swapped: only their digests tell', async () => {
    const set = take('nothing');
    const [first, second] = objectsOf(set);
    expect(readFileSync(first!).length).toBe(readFileSync(second!).length);
    swap(first!, second!);
    const found = failureOf(await restore(set));
    expect(found.message).toMatch(/SHA-256 .*dump-00001/);
    await day.expectEmptyTarget();
  });

  const details = (paths: string[]): string => paths.at(-1)!;
  it.each<[string, string, (paths: string[]) => void]>([
    ['an object is missing', 'dump-00002', (paths) => rmSync(paths[1]!)],
    ['an object is cut', 'dump-00001', (paths) => truncateSync(paths[0]!, 1_000_000)],
    ['an object is empty', 'dump-00001', (paths) => truncateSync(paths[0]!, 0)],
    ['an object has garbage behind it', 'dump-00001', (paths) => writeFileSync(paths[0]!, 'x', { flag: 'a' })],
    ['the details are missing', 'details.json', (paths) => rmSync(details(paths))],
    ['one bit is flipped in the details', 'details.json', (paths) => flipBit(details(paths))],
  ])('%s', async (_what, where, damage) => {
    const set = take('zstd and age');
    damage(objectsOf(set));
    const found = failureOf(await restore(set));
    expect(found.reason).toBe('DataCorrupt');
    expect(found.message).toContain(where);
    await day.expectEmptyTarget();
  });

  it.each<[string, string, (path: string, text: string) => void]>([
    ['is missing', 'BackupMissing', (path) => rmSync(path)],
    ['is cut', 'DataCorrupt', (path, text) => writeFileSync(path, text.slice(0, 300))],
    [
      'says something else',
      'DataCorrupt',
      (path, text) => writeFileSync(path, text.replace(/"rowCount": \d+/, '"rowCount": 1')),
    ],
    [
      'is of a newer format',
      'FormatNewer',
      (path, text) => writeFileSync(path, text.replace('"formatVersion": 1', '"formatVersion": 2')),
    ],
  ])('the manifest %s', async (_what, reason, damage) => {
    const set = take('zstd and age');
    const path = join(store, set.manifestKey);
    damage(path, readFileSync(path, 'utf8'));
    const found = failureOf(await restore(set));
    expect(found.reason).toBe(reason);
    await day.expectEmptyTarget();
  });

  it('the manifest names a recipient whose key does not open the objects', async () => {
    const set = take('zstd and age');
    const other = await generateIdentity();
    const path = join(store, set.manifestKey);
    const text = readFileSync(path, 'utf8').replace(fingerprint(day.identity.recipient), fingerprint(other.recipient));
    writeFileSync(path, text);
    const manifestSha256 = createHash('sha256').update(text).digest('hex');
    const found = failureOf(await restore({ ...set, manifestSha256 }, other));
    expect(found.reason).toBe('WrongKey');
    expect(found.message).toContain('details.json');
    await day.expectEmptyTarget();
  });
});

describe('a repository of a newer format', () => {
  it('is not written to', async () => {
    take('zstd');
    const path = join(store, 'backstay.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"formatVersion": 1', '"formatVersion": 2'));
    const before = readdirSync(store, { recursive: true });
    const found = failureOf(await day.backup(filesystemStore(store)));
    expect(found.reason).toBe('FormatNewer');
    expect(found.message).toContain('backstay.json');
    expect(readdirSync(store, { recursive: true })).toEqual(before);
  });
});
