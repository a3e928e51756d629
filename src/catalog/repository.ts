import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { timestamp } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Store } from '../store/store.ts';
import { decodeDocument, encodeDocument, formatVersion, readDocument } from './document.ts';
import { repositoryKey } from './layout.ts';

const repository = z.object({
  formatVersion: z.literal(formatVersion),
  repositoryId: z.uuid(),
  createdAt: z.iso.datetime(),
});

export type Repository = z.infer<typeof repository>;

/** The repository in the store, or undefined when none was begun there. Writes nothing. */
export async function findRepository(store: Store, signal?: AbortSignal): Promise<Repository | undefined> {
  const bytes = await readDocument(store, repositoryKey, signal);
  return bytes === undefined ? undefined : decodeDocument(repository, bytes, repositoryKey);
}

/**
 * The repository in the store, begun now when the store is empty. Any number of callers may do so at once: one wins and
 * all get the same. A place that holds anything else is refused: a mistyped prefix must not mix two worlds, and
 * a repository that lost its `backstay.json` must not silently become another one.
 */
export async function openRepository(store: Store, nowMs: number, signal?: AbortSignal): Promise<Repository> {
  const found = await findRepository(store, signal);
  if (found !== undefined) return found;
  const foreign = await firstObject(store, signal);
  // Somebody else may have begun it since we looked.
  if (foreign !== undefined) return (await findRepository(store, signal)) ?? refuse(foreign);
  const mine: Repository = { formatVersion, repositoryId: randomUUID(), createdAt: timestamp(nowMs) };
  if ((await store.create(repositoryKey, encodeDocument(mine), signal)) === 'created') return mine;
  const theirs = await findRepository(store, signal);
  if (theirs === undefined)
    throw new Fault('DataCorrupt', 'the repository vanished while it was opened', { where: repositoryKey });
  return theirs;
}

async function firstObject(store: Store, signal: AbortSignal | undefined): Promise<string | undefined> {
  for await (const { key } of store.list('', signal)) return key;
  return undefined;
}

function refuse(foreign: string): never {
  throw new Fault(
    'SpecInvalid',
    `the store holds "${foreign}" but no ${repositoryKey}: it is not empty and no repository`,
    {
      where: foreign,
      hint: 'Give the policy a prefix or directory of its own that is empty. If a repository was there, put its backstay.json back.',
    },
  );
}
