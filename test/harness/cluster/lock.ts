import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { startTimeOf } from './processes.ts';
import { waitFor } from './wait.ts';

/**
 * Runs `work` while no other process holds the same lock file: two test workers must not build the same program at once.
 * A lock whose owner died (pid and start time) is taken over.
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  await waitFor(`the lock ${file}`, () => take(file), { timeoutMs: 30 * 60_000, intervalMs: 200 });
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function take(file: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx');
    await handle.writeFile(`${process.pid} ${startTimeOf(process.pid)}`);
    await handle.close();
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
  }
  const [pid, startTime] = (await readFile(file, 'utf8')).split(' ');
  // An empty file is a lock whose owner is just writing its name.
  if (pid && startTime && startTimeOf(Number(pid)) !== startTime) await rm(file, { force: true });
  return false;
}
