import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, timestamp } from '../../base/clock.ts';
import type { ObjectEvent } from '../objects.ts';
import type { Kind, ObjectKey, Resource } from '../resource.ts';
import { makeDirectory, writeDurably } from './durable.ts';
import { refuseBadKey } from './names.ts';

export interface RecordedEvent extends ObjectEvent {
  /** RFC 3339: the first and the last time that it happened. */
  first: string;
  last: string;
  count: number;
}

/** An object that fails for a year must not fill the disk with its complaints. */
const limit = 100;

const pathOf = (directory: string, kind: Kind, key: ObjectKey): string => {
  refuseBadKey(key);
  return join(directory, kind, key.namespace, `${key.name}.jsonl`);
};

/** What happened to an object, the oldest first. Lines that are not events are left out. */
export async function readEvents(directory: string, kind: Kind, key: ObjectKey): Promise<RecordedEvent[]> {
  const text = await readFile(pathOf(directory, kind, key), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as RecordedEvent];
    } catch {
      return [];
    }
  });
}

/** Adds the event, or counts it when the same is among the last ones. Belongs inside the home's lock. */
export async function addEvent(directory: string, clock: Clock, object: Resource, event: ObjectEvent): Promise<void> {
  const now = timestamp(clock.nowMs());
  const earlier = await readEvents(directory, object.kind, object.metadata);
  const isSame = (one: RecordedEvent): boolean =>
    one.type === event.type && one.reason === event.reason && one.message === event.message;
  const same = earlier.find(isSame);
  const counted = { ...event, first: same?.first ?? now, last: now, count: (same?.count ?? 0) + 1 };
  const events = [...earlier.filter((one) => !isSame(one)), counted].slice(-limit);
  await makeDirectory(join(directory, object.kind, object.metadata.namespace));
  const lines = events.map((one) => `${JSON.stringify(one)}\n`);
  await writeDurably(pathOf(directory, object.kind, object.metadata), lines.join(''));
}

export async function forgetEvents(directory: string, kind: Kind, key: ObjectKey): Promise<void> {
  await rm(pathOf(directory, kind, key), { force: true });
}
