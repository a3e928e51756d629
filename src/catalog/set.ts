import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { timestamp } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Store } from '../store/store.ts';
import { type FoundSet, findSet } from './catalog.ts';
import { encodeDocument, formatVersion, readDocument, sha256Hex } from './document.ts';
import { type AttemptName, attemptFolder, intentKey, manifestKey } from './layout.ts';
import { decodeManifest, encodeManifest, type Manifest } from './manifest.ts';

/**
 * How a set comes to be, so that a kill at any moment leaves either no backup or a whole one:
 * intent -> objects -> details -> manifest. Everything before the manifest lies under the attempt's own name and can be
 * thrown away by the garbage collection, which finds it by its intent; the manifest alone makes it a backup.
 */
export const intent = z.object({
  formatVersion: z.literal(formatVersion),
  runUid: z.string(),
  attempt: z.string(),
  startedAt: z.iso.datetime(),
  /** After it the attempt commits nothing any more. */
  deadline: z.iso.datetime(),
});

/** A name that no other attempt has, on any machine. */
export function newAttempt(): string {
  return randomBytes(8).toString('hex');
}

/** The first thing that an attempt writes. Throws when it cannot: then nothing else may be written. */
export async function writeIntent(
  store: Store,
  attempt: AttemptName,
  times: { startedAtMs: number; deadlineMs: number },
  signal?: AbortSignal,
): Promise<void> {
  const record: z.infer<typeof intent> = {
    formatVersion,
    runUid: attempt.runUid,
    attempt: attempt.attempt,
    startedAt: timestamp(times.startedAtMs),
    deadline: timestamp(times.deadlineMs),
  };
  const key = intentKey(attempt);
  if ((await store.create(key, encodeDocument(record), signal)) === 'created') return;
  // Ours, if the answer to a first try was lost; never another's, because attempts are random.
  const found = await readDocument(store, key, signal);
  if (found === undefined || !Buffer.from(encodeDocument(record)).equals(found)) {
    throw new Fault('Internal', 'two attempts have one name', { where: key });
  }
}

/**
 * `committed`: the manifest given is in the store. `lost`: another attempt of the run was first; what this one wrote is
 * garbage, and the set to report is the winner's. `unknown`: the write was asked for and its answer is lost, and the
 * store does not show the manifest now; it may yet, for a request can arrive late. Only a later look can tell.
 */
export type Commit = { verdict: 'committed' | 'lost'; set: FoundSet } | { verdict: 'unknown'; cause: unknown };

/**
 * Makes the set a backup. Checks first that every object lies there whole, that the attempt's deadline has not passed
 * (garbage collection counts from it) and that no attempt of the run has committed. When the answer to the write is
 * lost, the store is asked. Throws only when there is no manifest of this attempt for sure. Safe to call again.
 */
export async function commitSet(
  store: Store,
  manifest: Manifest,
  { nowMs, deadlineMs, signal }: { nowMs: number; deadlineMs: number; signal?: AbortSignal },
): Promise<Commit> {
  const body = encodeManifest(manifest);
  const key = manifestKey(manifest);
  const mine: FoundSet = { key, manifest: decodeManifest(body, key), sha256: sha256Hex(body) };
  // In every lineage: a failover between two attempts of a run may have moved the second one to another.
  const winner = await findSet(store, manifest.runUid, signal);
  if (winner !== undefined) return judge(winner, mine);
  if (nowMs > deadlineMs)
    throw new Fault('DeadlineExceeded', 'the backup was complete only after its deadline', { where: key });
  await verifySetPresence(store, manifest, signal);
  let failure: unknown;
  try {
    if ((await store.create(key, body, signal)) === 'created') return { verdict: 'committed', set: mine };
  } catch (thrown) {
    failure = thrown;
  }
  let there: Uint8Array | undefined;
  try {
    // Without the signal: whoever wants to stop wants to know, too.
    there = await readDocument(store, key);
  } catch (thrown) {
    return { verdict: 'unknown', cause: failure ?? thrown };
  }
  if (there !== undefined) {
    return judge({ key, manifest: decodeManifest(there, key), sha256: sha256Hex(there) }, mine);
  }
  if (failure === undefined) throw new Fault('DataCorrupt', 'the manifest vanished', { where: key });
  if (wasRefused(failure)) throw failure;
  return { verdict: 'unknown', cause: failure };
}

/**
 * The store's last answer was no. That alone proves nothing: a first try may have been done and its answer lost, and only
 * the second one refused. Any other error can come after the write.
 */
function wasRefused(thrown: unknown): boolean {
  return thrown instanceof Fault && ['StoreDenied', 'StoreMissing', 'StoreFull'].includes(thrown.reason);
}

/** Throws DataCorrupt that names the first object of the set that is missing or has another size than the manifest says. */
export async function verifySetPresence(store: Store, manifest: Manifest, signal?: AbortSignal): Promise<void> {
  const sizes = new Map<string, number>();
  for await (const { key, sizeBytes } of store.list(attemptFolder(manifest), signal)) sizes.set(key, sizeBytes);
  for (const { key, storedBytes } of [...manifest.objects, manifest.details]) {
    const found = sizes.get(key);
    if (found === storedBytes) continue;
    const what = found === undefined ? 'is missing' : `has ${found} bytes instead of ${storedBytes}`;
    throw new Fault('DataCorrupt', `an object of the backup ${what}`, { where: key });
  }
}

function judge(there: FoundSet, mine: FoundSet): Commit & { set: FoundSet } {
  return there.key === mine.key && there.sha256 === mine.sha256
    ? { verdict: 'committed', set: mine }
    : { verdict: 'lost', set: there };
}
