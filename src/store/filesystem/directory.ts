import type { Dirent } from 'node:fs';
import { lstat, mkdir, open, readdir, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Fault } from '../../base/fault.ts';
import { compareKeys } from '../keys.ts';
import { hasCode, onFile } from './errors.ts';

/** Throws StoreMissing unless the root is a directory: an empty mount point must not become a store by accident. */
export async function checkRoot(root: string): Promise<void> {
  const found = await stat(root).catch((thrown: unknown) => {
    if (hasCode(thrown, 'ENOENT', 'ENOTDIR')) return undefined;
    return onFile(root, () => Promise.reject(thrown));
  });
  if (!found?.isDirectory())
    throw new Fault('StoreMissing', 'the directory of the store does not exist', { where: root });
}

/** What lies under `path` itself: a symbolic link is DataCorrupt, because it could lead out of the store. */
export async function lookAt(path: string): Promise<'directory' | 'file' | 'nothing'> {
  const found = await lstat(path).catch((thrown: unknown) => {
    if (hasCode(thrown, 'ENOENT', 'ENOTDIR')) return undefined;
    return onFile(path, () => Promise.reject(thrown));
  });
  if (found === undefined) return 'nothing';
  if (found.isSymbolicLink()) throw new Fault('DataCorrupt', 'a symbolic link lies inside the store', { where: path });
  return found.isDirectory() ? 'directory' : 'file';
}

/** Looks at every directory above an object. Answers whether all of them exist. */
export async function checkParents(root: string, segments: readonly string[]): Promise<boolean> {
  let path = root;
  for (const segment of segments) {
    path = join(path, segment);
    if ((await lookAt(path)) !== 'directory') return false;
  }
  return true;
}

/** Makes the directories under the root, each durable before the next; never the root itself. */
export async function makeParents(root: string, segments: readonly string[]): Promise<string> {
  let path = root;
  for (const segment of segments) {
    const parent = path;
    path = join(path, segment);
    if ((await lookAt(path)) !== 'nothing') continue;
    try {
      await mkdir(path, { mode: 0o770 });
      await syncDirectory(parent);
    } catch (thrown) {
      if (!hasCode(thrown, 'EEXIST')) throw thrown;
    }
  }
  return path;
}

/** Makes the names in a directory survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes the empty directories above a removed object, so that a store does not fill with them. */
export async function pruneEmptyParents(root: string, path: string): Promise<void> {
  for (let parent = dirname(path); parent !== root && parent.length > root.length; parent = dirname(parent)) {
    try {
      await rmdir(parent);
    } catch {
      return;
    }
  }
}

/** Every file under a directory in key order, directories that vanish meanwhile left out. Links are not followed. */
export async function* walk(root: string, folder: string): AsyncGenerator<string> {
  for (const entry of await entriesInOrder(root, folder)) {
    const key = folder + entry.name;
    if (entry.isDirectory()) yield* walk(root, `${key}/`);
    else if (entry.isFile()) yield key;
  }
}

/** The entries of one directory, sorted as the keys under them are: a directory counts with its slash. */
export async function entriesInOrder(root: string, folder: string): Promise<Dirent[]> {
  const path = join(root, folder);
  const sortKey = (entry: Dirent): string => (entry.isDirectory() ? `${entry.name}/` : entry.name);
  const entries = await readdir(path, { withFileTypes: true }).catch((thrown: unknown) => {
    if (hasCode(thrown, 'ENOENT', 'ENOTDIR')) return [];
    return onFile(path, () => Promise.reject(thrown));
  });
  return entries
    .filter((entry) => !(folder === '' && entry.name === volumesOwnFolder))
    .sort((a, b) => compareKeys(sortKey(a), sortKey(b)));
}

// Every ext4 volume has one, and only root may look into it.
const volumesOwnFolder = 'lost+found';
