import { DatabaseSync } from 'node:sqlite';
import { type Clock, sleep } from '../../base/clock.ts';
import { ObjectsError } from '../objects.ts';

/** SQLITE_BUSY of sqlite3.h. */
const busy = 5;

/**
 * A lock between processes that the kernel gives back when its holder dies, however it dies: there is no stale lock to
 * recognise and no race in taking one over. Node has no call for file locks of its own; SQLite has, so an empty
 * database serves as the lock file.
 */
export class FileLock {
  readonly #database: DatabaseSync;

  /** Makes the file when it is missing; its directory must exist. */
  constructor(path: string) {
    this.#database = new DatabaseSync(path, { timeout: 0 });
  }

  /** Takes the lock unless somebody holds it. Never waits. */
  take(): 'taken' | 'held' {
    try {
      this.#database.exec('BEGIN EXCLUSIVE');
      return 'taken';
    } catch (error) {
      if ((error as { errcode?: number }).errcode === busy) return 'held';
      throw error;
    }
  }

  release(): void {
    this.#database.exec('COMMIT');
  }

  /** Gives back what is held, too. */
  close(): void {
    this.#database.close();
  }
}

/** Runs one piece of work at a time, over all processes that use the same file. */
export type Exclusive = <T>(work: () => Promise<T>) => Promise<T>;

const waitMs = 2;
const patienceMs = 30_000;

/** Waits for the lock, polling; throws Unavailable after 30 s: then somebody holds it who was stopped, not killed. */
export function exclusively(lock: FileLock, clock: Clock): Exclusive {
  let last: Promise<unknown> = Promise.resolve();

  async function hold<T>(work: () => Promise<T>): Promise<T> {
    const untilMs = clock.nowMs() + patienceMs;
    while (lock.take() === 'held') {
      if (clock.nowMs() > untilMs) {
        throw new ObjectsError('Unavailable', 'another process has held the lock of the home for 30 s');
      }
      await sleep(clock, waitMs);
    }
    try {
      return await work();
    } finally {
      lock.release();
    }
  }

  return (work) => {
    const result = last.then(() => hold(work));
    last = result.catch(() => undefined);
    return result;
  };
}
