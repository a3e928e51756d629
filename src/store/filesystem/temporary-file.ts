import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../base/fault.ts';
import { checkRoot, makeParents, syncDirectory } from './directory.ts';
import { hasCode, onFile } from './errors.ts';

/** Begins the name of every file that is not an object yet; only these are ever cleaned up. */
export const temporaryPrefix = '.backstay-tmp-';

/**
 * A file that becomes an object in one step. It lies beside its future name, because a hard link cannot cross file
 * systems, and it gets the name by link(2), which never replaces what is there. Killed at any moment, it leaves either
 * nothing visible or the whole object.
 */
export class TemporaryFile {
  readonly #handle: FileHandle;
  readonly #directory: string;
  readonly #path: string;
  #offset = 0;

  private constructor(handle: FileHandle, directory: string, path: string) {
    this.#handle = handle;
    this.#directory = directory;
    this.#path = path;
  }

  static async begin(root: string, key: string): Promise<TemporaryFile> {
    const segments = key.split('/').slice(0, -1);
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
    for (let tries = 1; ; tries += 1) {
      try {
        const directory = await makeParents(root, segments);
        const path = join(directory, temporaryPrefix + randomUUID());
        return new TemporaryFile(await open(path, flags, 0o660), directory, path);
      } catch (thrown) {
        if (hasCode(thrown, 'ENOENT', 'ENOTDIR')) await checkRoot(root);
        // A remover may have pruned the directory, empty until now, between the two calls.
        if (!hasCode(thrown, 'ENOENT') || tries === 5) return onFile(join(root, key), () => Promise.reject(thrown));
      }
    }
  }

  async append(bytes: Uint8Array): Promise<void> {
    // A nearly full disk takes fewer bytes than it was given and says so only here.
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await onFile(this.#path, () =>
        this.#handle.write(bytes, done, bytes.length - done, this.#offset),
      );
      done += bytesWritten;
      this.#offset += bytesWritten;
    }
  }

  /** Makes the content durable, then visible under `target` unless the name is taken. The file is closed either way. */
  async publish(target: string): Promise<'created' | 'exists'> {
    return onFile(target, async () => {
      await this.#handle.datasync();
      const answer = await this.#link(target);
      await this.discard();
      await syncDirectory(this.#directory);
      return answer;
    });
  }

  /** Closes and removes the temporary file, best effort: what remains is found by its name later. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await unlink(this.#path).catch(() => undefined);
  }

  async #link(target: string): Promise<'created' | 'exists'> {
    try {
      await link(this.#path, target);
      return 'created';
    } catch (thrown) {
      if (hasCode(thrown, 'EEXIST')) {
        // NFS repeats a request whose answer was lost and then refuses its own success: two names tell that it was us.
        return (await this.#handle.stat()).nlink === 2 ? 'created' : 'exists';
      }
      if (hasCode(thrown, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) {
        throw new Fault('StoreFailed', 'the file system of the store has no hard links', {
          where: target,
          hint: 'Use a volume with a POSIX file system (ext4, XFS, NFS, CephFS) or an S3 store.',
          cause: thrown,
        });
      }
      throw thrown;
    }
  }
}
