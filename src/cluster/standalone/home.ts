import { randomUUID } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { makeDirectory, removeTemporaries, writeDurably } from './durable.ts';
import { type Exclusive, exclusively, FileLock } from './lock.ts';
import { sweepTasks } from './task-files.ts';

/** Raised when an older Backstay can not work on the home any more. */
const homeVersion = 1;

/** A home directory: everything that Backstay keeps on a machine without a cluster. */
export interface Home {
  directory: string;
  /** Random at the home's birth; the cluster id. */
  homeId: string;
  objects: string;
  events: string;
  tasks: string;
  secrets: string;
  /** Writes to objects, one at a time over all processes of the home. */
  exclusive: Exclusive;
  close(): void;
}

/**
 * Opens the home, making it when it is not there. Idempotent; several processes may have it open. Sweeps up what killed
 * writers left. Throws SpecInvalid for a directory that others may write to, NotSupportedHere for a home of a newer
 * version.
 */
export async function openHome(path: string, clock: Clock): Promise<Home> {
  const directory = resolve(path);
  await makeDirectory(directory);
  await refuseOpenDirectory(directory);
  const lock = new FileLock(join(directory, 'objects.lock'));
  const exclusive = exclusively(lock, clock);
  const places = {
    objects: join(directory, 'objects'),
    events: join(directory, 'events'),
    tasks: join(directory, 'tasks'),
    secrets: join(directory, 'secrets'),
  };
  try {
    const homeId = await exclusive(async () => {
      for (const place of Object.values(places)) await makeDirectory(place);
      const id = await identify(directory);
      await removeTemporaries(places.objects);
      await removeTemporaries(places.events);
      return id;
    });
    return { directory, homeId, ...places, exclusive, close: () => lock.close() };
  } catch (error) {
    lock.close();
    throw error;
  }
}

async function refuseOpenDirectory(directory: string): Promise<void> {
  const { mode } = await stat(directory);
  if ((mode & 0o022) === 0) return;
  throw new Fault('SpecInvalid', `others may write to the home ${directory}`, {
    hint: `Type: chmod go-w ${directory}`,
  });
}

async function identify(directory: string): Promise<string> {
  const path = join(directory, 'home.json');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) {
    const homeId = randomUUID();
    await writeDurably(path, `${JSON.stringify({ homeId, version: homeVersion })}\n`);
    return homeId;
  }
  const { homeId, version } = JSON.parse(text) as { homeId: string; version: number };
  if (version > homeVersion) {
    throw new Fault('NotSupportedHere', `the home has version ${version}, this Backstay knows ${homeVersion}`, {
      where: path,
      hint: 'Use the Backstay that wrote the home, or a newer one.',
    });
  }
  return homeId;
}

/**
 * Makes this process the one operator of the home, until `release` or its death, however it dies. Sweeps up what the
 * one before left of tasks that were not there yet or not any more. Throws NotSupportedHere when another one is at
 * work: two would stop, start and remove each other's tasks.
 */
export function becomeOperator(home: Home): { release(): void } {
  const lock = new FileLock(join(home.directory, 'operator.lock'));
  if (lock.take() === 'held') {
    lock.close();
    throw new Fault('NotSupportedHere', 'another backstay standalone works on this home', {
      where: home.directory,
      hint: 'Stop the other one, or give this one a home of its own with --home.',
    });
  }
  sweepTasks(home.tasks);
  return { release: () => lock.close() };
}
