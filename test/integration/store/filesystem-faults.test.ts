import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { partBytes, type Store } from '../../../src/store/store.ts';
import { chunked, whole } from './conformance.ts';

const child = fileURLToPath(new URL('./store-child.ts', import.meta.url));
const isRoot = process.getuid?.() === 0;

describe('a directory on a bad day', () => {
  let root: string;
  let store: Store;
  const open = (path: string): Store => openStore({ kind: 'filesystem', name: 'near', path }, { clock: systemClock });
  const temporaryFiles = (): string[] =>
    readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
      basename(file).startsWith('.backstay-tmp-'),
    );

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'backstay-store-'));
    store = open(root);
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('a root that does not exist is StoreMissing for every call, and is not made', async () => {
    const missing = { reason: 'StoreMissing' };
    const file = join(root, 'file');
    writeFileSync(file, '');
    for (const path of [join(root, 'none'), file]) {
      const nowhere = open(path);
      await expect(nowhere.create('a/b', Buffer.from('x'))).rejects.toMatchObject(missing);
      await expect(nowhere.create('a', Buffer.from('x'))).rejects.toMatchObject(missing);
      await expect(nowhere.write('a/b', chunked(Buffer.from('x'), 1))).rejects.toMatchObject(missing);
      await expect(nowhere.stat('a')).rejects.toMatchObject(missing);
      await expect(whole(nowhere, 'a')).rejects.toMatchObject(missing);
      await expect(nowhere.list('')[Symbol.asyncIterator]().next()).rejects.toMatchObject(missing);
      await expect(nowhere.listFolders('')).rejects.toMatchObject(missing);
      await expect(nowhere.remove('a/b')).rejects.toMatchObject(missing);
    }
    expect(readdirSync(root)).toEqual(['file']);
  });

  it('killed at any moment, it shows only whole objects; what remains is found by its name', async () => {
    let killed = 0;
    // Ten kills, and more until one of them met a write that was under way.
    for (let round = 0; round < 10 || (killed === 0 && round < 100); round += 1) {
      const running = spawn(process.execPath, [child, 'write-for-ever', root, `r${round}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const gone = new Promise((resolve) => running.once('close', resolve));
      await new Promise((resolve) => running.stdout.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
      running.kill('SIGKILL');
      await gone;
      if (temporaryFiles().length > 0) killed += 1;
      for await (const { key, sizeBytes } of store.list(`r${round}/`)) {
        const [kind, index] = basename(key).split('-');
        const content = readFileSync(join(root, key));
        expect([key, sizeBytes]).toEqual([key, kind === 'w' ? partBytes + 12_345 : 10_000]);
        expect(content.equals(Buffer.alloc(sizeBytes, Number(index) % 256))).toBe(true);
      }
      await store.abortStaleUploads(`r${round}/`, Date.now() + 60_000);
      expect(temporaryFiles()).toEqual([]);
      await rm(join(root, `r${round}`), { recursive: true });
    }
    expect(killed).toBeGreaterThan(0);
  }, 60_000);

  it('a full disk is StoreFull, and the half-written object is gone', () => {
    const script = `mount -t tmpfs -o size=24m none '${root}' && '${process.execPath}' '${child}' write-big '${root}' a/big && find '${root}' -type f | wc -l`;
    const flags = isRoot ? ['-m'] : ['-rm'];
    const { stdout, stderr } = spawnSync('unshare', [...flags, 'sh', '-c', script], { encoding: 'utf8' });
    expect([stdout, stderr]).toEqual([expect.stringMatching(/^StoreFull at .*0\n$/s), '']);
  });

  it('a directory of another user is StoreDenied', () => {
    mkdirSync(join(root, 'theirs'));
    chmodSync(root, 0o755);
    chmodSync(join(root, 'theirs'), 0o555);
    // Root may write anywhere: the child is somebody else then.
    const somebody = isRoot ? { uid: 65_534, gid: 65_534 } : {};
    const { stdout } = spawnSync(process.execPath, [child, 'create', root, 'theirs/x'], {
      encoding: 'utf8',
      ...somebody,
    });
    expect(stdout).toMatch(/^StoreDenied at .*theirs\/x$/);
  });

  it('a symbolic link on the way or in the place of an object is refused, and nothing outside is touched', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'backstay-outside-'));
    writeFileSync(join(outside, 'secret'), 'secret');
    symlinkSync(outside, join(root, 'link'));
    symlinkSync(join(outside, 'secret'), join(root, 'object'));
    const refused = { reason: 'DataCorrupt' };
    await expect(store.create('link/x', Buffer.from('x'))).rejects.toMatchObject(refused);
    await expect(store.write('link/x', chunked(Buffer.from('x'), 1))).rejects.toMatchObject(refused);
    await expect(whole(store, 'link/secret')).rejects.toMatchObject(refused);
    await expect(whole(store, 'object')).rejects.toMatchObject(refused);
    await expect(store.stat('object')).rejects.toMatchObject(refused);
    await expect(store.remove('link/secret')).rejects.toMatchObject(refused);
    await expect(store.listFolders('link/')).rejects.toMatchObject(refused);
    await expect(store.abortStaleUploads('link/', Date.now())).rejects.toMatchObject(refused);
    expect(await store.create('object', Buffer.from('x'))).toBe('exists');
    expect(await store.list('')[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
    expect(readdirSync(outside)).toEqual(['secret']);
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret');
    await rm(outside, { recursive: true });
  });

  it('a fresh volume is empty: what the file system itself put there is passed over', async () => {
    mkdirSync(join(root, 'lost+found'), { mode: 0o700 });
    writeFileSync(join(root, 'lost+found', 'x'), 'x');
    mkdirSync(join(root, '.snapshot'));
    writeFileSync(join(root, '.snapshot', 'x'), 'x');
    expect(await store.list('')[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
    expect(await store.listFolders('')).toEqual([]);
  });

  it('stale means not written to any more: other files of the same age are never removed', async () => {
    mkdirSync(join(root, 'a'));
    const age = (name: string, ageMs: number): void => {
      writeFileSync(join(root, 'a', name), 'x');
      const atS = (Date.now() - ageMs) / 1000;
      utimesSync(join(root, 'a', name), atS, atS);
    };
    age('.backstay-tmp-old', 3_600_000);
    age('.backstay-tmp-young', 1_000);
    age('object', 3_600_000);
    age('.other-tmp', 3_600_000);
    expect(await store.abortStaleUploads('a/', Date.now() - 60_000)).toBe(1);
    expect(readdirSync(join(root, 'a')).sort()).toEqual(['.backstay-tmp-young', '.other-tmp', 'object']);
  });

  it('an object that loses its end while it is read is StoreFailed', async () => {
    await store.write('x', chunked(Buffer.alloc(3 << 20), 1 << 20));
    const reading = (async () => {
      for await (const _ of store.read('x')) truncateSync(join(root, 'x'), 10);
    })();
    await expect(reading).rejects.toMatchObject({ reason: 'StoreFailed' });
  });

  it('a write goes on although a remover takes the empty directory away', async () => {
    // Two at a time: the directory is empty, and gone, again and again.
    await Promise.all(
      ['one', 'two'].map(async (name) => {
        for (let i = 0; i < 400; i += 1) {
          await store.create(`d/e/${name}-${i}`, Buffer.from('x'));
          await store.remove(`d/e/${name}-${i}`);
        }
      }),
    );
    expect(readdirSync(root)).toEqual([]);
  });
});
