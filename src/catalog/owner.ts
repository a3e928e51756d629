import { z } from 'zod';
import { timestamp } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Store } from '../store/store.ts';
import { decodeDocument, encodeDocument, formatVersion, readDocument } from './document.ts';
import { ownerKey, ownerNumber, ownersFolder } from './layout.ts';

/** Who writes and prunes. `clusterId` is the cluster's or the home's own id: a copy of the YAML elsewhere has another. */
export interface Owner {
  clusterId: string;
  namespace: string;
  policy: string;
}

const ownerRecord = z.object({
  formatVersion: z.literal(formatVersion),
  clusterId: z.string(),
  namespace: z.string(),
  policy: z.string(),
  writtenAt: z.iso.datetime(),
});

export type Ownership = { verdict: 'owned' } | { verdict: 'read-only'; owner: Owner };

/**
 * Makes `me` the owner when nobody is, or when `takeover` says so; otherwise tells who is. Records are numbered, never
 * changed, and the highest rules. Idempotent for the owner: nothing more is written.
 */
export async function claimOwnership(
  store: Store,
  me: Owner,
  { takeover, nowMs, signal }: { takeover: boolean; nowMs: number; signal?: AbortSignal },
): Promise<Ownership> {
  for (;;) {
    const highest = await highestRecord(store, signal);
    if (highest !== undefined && isSame(highest.owner, me)) return { verdict: 'owned' };
    if (highest !== undefined && !takeover) return { verdict: 'read-only', owner: highest.owner };
    const record = {
      formatVersion,
      clusterId: me.clusterId,
      namespace: me.namespace,
      policy: me.policy,
      writtenAt: timestamp(nowMs),
    };
    // Created or not, the next look tells who holds the highest number now.
    await store.create(ownerKey((highest?.number ?? 0) + 1), encodeDocument(record), signal);
  }
}

/** Whether `me` still is the owner: asked again before what cannot be taken back. */
export async function checkOwnership(store: Store, me: Owner, signal?: AbortSignal): Promise<Ownership> {
  const highest = await highestRecord(store, signal);
  if (highest === undefined)
    throw new Fault('DataCorrupt', 'the repository has lost its owner records', { where: ownersFolder });
  return isSame(highest.owner, me) ? { verdict: 'owned' } : { verdict: 'read-only', owner: highest.owner };
}

async function highestRecord(
  store: Store,
  signal: AbortSignal | undefined,
): Promise<{ number: number; owner: Owner } | undefined> {
  let number = 0;
  for await (const { key } of store.list(ownersFolder, signal)) number = Math.max(number, ownerNumber(key) ?? 0);
  if (number === 0) return undefined;
  const key = ownerKey(number);
  const bytes = await readDocument(store, key, signal);
  if (bytes === undefined) throw new Fault('DataCorrupt', 'an owner record vanished while it was read', { where: key });
  const { clusterId, namespace, policy } = decodeDocument(ownerRecord, bytes, key);
  return { number, owner: { clusterId, namespace, policy } };
}

function isSame(a: Owner, b: Owner): boolean {
  return a.clusterId === b.clusterId && a.namespace === b.namespace && a.policy === b.policy;
}
