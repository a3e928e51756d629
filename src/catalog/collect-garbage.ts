import { Fault } from '../base/fault.ts';
import type { Store } from '../store/store.ts';
import { decodeDocument, readDocument } from './document.ts';
import { chooseGarbage, type SetOnStore } from './garbage.ts';
import { attemptFolder, intentKey, manifestKey, type SetKey as ParsedKey, parseSetKey, setsFolder } from './layout.ts';
import { listLineages } from './lineages.ts';
import { decodeManifest } from './manifest.ts';
import { intent } from './set.ts';

/**
 * Removes what dead attempts left behind, in every lineage; answers how many attempts. Only the owner of the repository
 * may call it. Data goes first and the intent last, so that a kill in the middle leaves what the next call
 * finds again.
 */
export async function collectGarbage(store: Store, nowMs: number, signal?: AbortSignal): Promise<number> {
  let count = 0;
  for (const lineage of await listLineages(store, signal)) {
    const sets = await readSets(store, lineage, signal);
    for (const { runUid, attempt } of chooseGarbage(
      [...sets.values()].map(({ set }) => set),
      nowMs,
    )) {
      const name = { lineage, runUid, attempt };
      // The look at all sets may have taken long: what became a backup meanwhile is none of ours.
      const [before, now] = [sets.get(runUid)?.set.committed, await readCommitted(store, lineage, runUid, signal)];
      if (now !== before) continue;
      await store.abortStaleUploads(attemptFolder(name), nowMs, signal);
      for (const key of sets.get(runUid)?.objects.get(attempt) ?? []) await store.remove(key, signal);
      await store.remove(intentKey(name), signal);
      count += 1;
    }
  }
  return count;
}

type SetKey = ParsedKey & { key: string };

interface SetFolder {
  set: SetOnStore;
  /** Object keys by attempt. */
  objects: Map<string, string[]>;
}

async function readSets(
  store: Store,
  lineage: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, SetFolder>> {
  const keys = new Map<string, SetKey[]>();
  for await (const { key } of store.list(setsFolder(lineage), signal)) {
    const found = parseSetKey(key);
    if (found !== undefined) keys.set(found.runUid, [...(keys.get(found.runUid) ?? []), { ...found, key }]);
  }
  const sets = new Map<string, SetFolder>();
  for (const [runUid, found] of keys) {
    // The ordinary backup, one attempt and its manifest, holds no garbage: reading it would only cost requests.
    const intents = found.filter(({ kind }) => kind === 'intent');
    const hasManifest = found.some(({ kind }) => kind === 'manifest');
    if (hasManifest && intents.length <= 1) continue;
    const committed = hasManifest ? await readCommitted(store, lineage, runUid, signal) : undefined;
    const folder: SetFolder = { set: { runUid, committed, attempts: [] }, objects: new Map() };
    for (const entry of found) {
      if (entry.kind === 'object') {
        folder.objects.set(entry.attempt, [...(folder.objects.get(entry.attempt) ?? []), entry.key]);
      }
      if (entry.kind === 'intent') {
        folder.set.attempts.push({ attempt: entry.attempt, deadlineMs: await readDeadline(store, entry.key, signal) });
      }
    }
    sets.set(runUid, folder);
  }
  return sets;
}

async function readCommitted(store: Store, lineage: string, runUid: string, signal: AbortSignal | undefined) {
  const key = manifestKey({ lineage, runUid });
  const bytes = await readDocument(store, key, signal);
  if (bytes === undefined) return undefined;
  return orWhenUnreadable('unreadable', () => decodeManifest(bytes, key).attempt);
}

async function readDeadline(store: Store, key: string, signal: AbortSignal | undefined): Promise<number | undefined> {
  const bytes = await readDocument(store, key, signal);
  if (bytes === undefined) return undefined;
  return orWhenUnreadable(undefined, () => Date.parse(decodeDocument(intent, bytes, key).deadline));
}

function orWhenUnreadable<T, U>(instead: U, decode: () => T): T | U {
  try {
    return decode();
  } catch (thrown) {
    if (thrown instanceof Fault && (thrown.reason === 'DataCorrupt' || thrown.reason === 'FormatNewer')) return instead;
    throw thrown;
  }
}
