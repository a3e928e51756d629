import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What is being written bears this ending and begins with a dot; no object can have such a name. */
const temporaryEnding = '.tmp';

/**
 * Replaces the file: a reader, and whoever comes after a kill -9 or a power cut at any point, finds the old text or the
 * new one, never a part. The directory must exist. Mode 0600: specs and events are nobody else's business.
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}${temporaryEnding}`);
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}

/** Makes a rename, a link or a removal in the directory outlive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The directory and those above it that are missing, mode 0700. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  for (
    let made: string | undefined = first === undefined ? undefined : path;
    made !== undefined;
    made = dirname(made)
  ) {
    await syncDirectory(dirname(made));
    if (made === first) return;
  }
}

/** What writers that were killed left behind. Only safe while no writer is at work. */
export async function removeTemporaries(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && entry.name.startsWith('.') && entry.name.endsWith(temporaryEnding)) {
      await rm(join(entry.parentPath, entry.name), { force: true });
    }
  }
}
