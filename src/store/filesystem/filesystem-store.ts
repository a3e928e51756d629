import { constants } from 'node:fs';
import { type FileHandle, lstat, open, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Fault } from '../../base/fault.ts';
import { checkKey, checkListPrefix, isCallersKey } from '../keys.ts';
import { abandon, cutIntoParts, nextPart, PartBuffers } from '../parts.ts';
import type { ReadOptions, Store, StoredObject, WriteOptions } from '../store.ts';
import { checkParents, checkRoot, entriesInOrder, lookAt, pruneEmptyParents, walk } from './directory.ts';
import { hasCode, onFile } from './errors.ts';
import { TemporaryFile, temporaryPrefix } from './temporary-file.ts';

const readBytes = 1024 * 1024;

/** A directory as a store: a key is a path below it. Several machines may share it (NFS, CephFS, a ReadWriteMany claim). */
export class FilesystemStore implements Store {
  readonly name: string;
  readonly features = { conditionalWrites: 'native' } as const;
  readonly #root: string;

  constructor(name: string, path: string) {
    this.name = name;
    this.#root = resolve(path);
  }

  async write(key: string, bytes: AsyncIterable<Uint8Array>, options: WriteOptions = {}) {
    checkKey(key);
    const signal = options.signal ?? new AbortController().signal;
    const buffers = new PartBuffers();
    const parts = cutIntoParts(bytes, buffers);
    let file: TemporaryFile | undefined;
    let sizeBytes = 0;
    // One part is written while the next one is made.
    let writing = Promise.resolve();
    const append = async (to: TemporaryFile, body: Uint8Array): Promise<void> => {
      await to.append(body);
      sizeBytes += body.length;
      buffers.giveBack(body);
      options.onProgress?.(sizeBytes);
    };
    try {
      file = await TemporaryFile.begin(this.#root, key);
      for (let part = await nextPart(parts, signal); part !== undefined; part = await nextPart(parts, signal)) {
        await writing;
        writing = append(file, part.body);
        // Heard at the next await; until then it must not count as unhandled.
        writing.catch(() => undefined);
      }
      await writing;
      if ((await file.publish(this.#pathOf(key))) === 'exists') {
        throw new Fault('Internal', 'an object was to be written under a key that is taken', { where: key });
      }
      return { sizeBytes };
    } catch (thrown) {
      abandon(parts);
      await writing.catch(() => undefined);
      await file?.discard();
      throw thrown;
    }
  }

  async create(key: string, body: Uint8Array, signal?: AbortSignal): Promise<'created' | 'exists'> {
    checkKey(key);
    signal?.throwIfAborted();
    const file = await TemporaryFile.begin(this.#root, key);
    try {
      await file.append(body);
      signal?.throwIfAborted();
      return await file.publish(this.#pathOf(key));
    } catch (thrown) {
      await file.discard();
      throw thrown;
    }
  }

  async *read(key: string, { offset = 0, length, signal }: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    const { handle, sizeBytes } = await this.#open(key);
    try {
      const end = Math.min(sizeBytes, length === undefined ? sizeBytes : offset + length);
      for (let at = offset; at < end; ) {
        signal?.throwIfAborted();
        const chunk = Buffer.allocUnsafeSlow(Math.min(readBytes, end - at));
        const { bytesRead } = await onFile(this.#pathOf(key), () => handle.read(chunk, 0, chunk.length, at));
        if (bytesRead === 0) {
          throw new Fault('StoreFailed', `the object ended at byte ${at} of ${sizeBytes}`, { where: key });
        }
        at += bytesRead;
        yield chunk.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  }

  async stat(key: string): Promise<{ sizeBytes: number } | undefined> {
    checkKey(key);
    const path = this.#pathOf(key);
    const there = (await checkParents(this.#root, key.split('/').slice(0, -1))) && (await lookAt(path)) === 'file';
    if (!there) {
      await checkRoot(this.#root);
      return undefined;
    }
    return { sizeBytes: (await onFile(path, () => lstat(path))).size };
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<StoredObject> {
    await this.#checkFolder(prefix);
    for await (const key of walk(this.#root, prefix)) {
      signal?.throwIfAborted();
      if (!isCallersKey(key)) continue;
      const found = await this.#lstat(key);
      if (found !== undefined) yield { key, sizeBytes: found.size, modifiedAtMs: found.mtimeMs };
    }
  }

  async listFolders(prefix: string): Promise<string[]> {
    await this.#checkFolder(prefix);
    const entries = await entriesInOrder(this.#root, prefix);
    return entries
      .filter((entry) => entry.isDirectory() && isCallersKey(entry.name))
      .map(({ name }) => `${prefix}${name}/`);
  }

  async remove(key: string): Promise<void> {
    checkKey(key);
    if (!(await checkParents(this.#root, key.split('/').slice(0, -1)))) return checkRoot(this.#root);
    const path = this.#pathOf(key);
    try {
      await unlink(path);
    } catch (thrown) {
      if (!hasCode(thrown, 'ENOENT')) return onFile(path, () => Promise.reject(thrown));
    }
    await pruneEmptyParents(this.#root, path);
  }

  async abortStaleUploads(prefix: string, olderThanMs: number, signal?: AbortSignal): Promise<number> {
    if (prefix === '') throw new Fault('Internal', 'stale uploads are only ever aborted below a prefix');
    await this.#checkFolder(prefix);
    let count = 0;
    for await (const key of walk(this.#root, prefix)) {
      signal?.throwIfAborted();
      if (!key.slice(key.lastIndexOf('/') + 1).startsWith(temporaryPrefix)) continue;
      // The time of the last write: a slow upload that still goes on is never stale.
      const found = await this.#lstat(key);
      if (found === undefined || found.mtimeMs >= olderThanMs) continue;
      await onFile(this.#pathOf(key), () => unlink(this.#pathOf(key)));
      await pruneEmptyParents(this.#root, this.#pathOf(key));
      count += 1;
    }
    return count;
  }

  async close(): Promise<void> {}

  async #open(key: string): Promise<{ handle: FileHandle; sizeBytes: number }> {
    if ((await this.stat(key)) === undefined)
      throw new Fault('BackupMissing', 'no such object is in the store', { where: key });
    const path = this.#pathOf(key);
    const handle = await onFile(path, () => open(path, constants.O_RDONLY | constants.O_NOFOLLOW));
    try {
      return { handle, sizeBytes: (await onFile(path, () => handle.stat())).size };
    } catch (thrown) {
      await handle.close();
      throw thrown;
    }
  }

  /** The prefix is sound, the root is there, and no link lies on the way. */
  async #checkFolder(prefix: string): Promise<void> {
    checkListPrefix(prefix);
    await checkRoot(this.#root);
    await checkParents(this.#root, prefix.split('/').slice(0, -1));
  }

  async #lstat(key: string) {
    return onFile(this.#pathOf(key), () => lstat(this.#pathOf(key))).catch((thrown: Fault) => {
      if (hasCode(thrown.cause, 'ENOENT')) return undefined;
      throw thrown;
    });
  }

  #pathOf(key: string): string {
    return join(this.#root, key);
  }
}
