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
  /** The run that took the repository over. */
  takenOverBy: z.string().optional(),
  writtenAt: z.iso.datetime(),
});

export type Ownership = { verdict: 'owned' } | { verdict: 'read-only'; owner: Owner };

/**
 * Makes `me` the owner when nobody is, or when the run with the uid `takeover` takes over; otherwise tells who is. Records
 * are numbered, never changed, and the highest rules. A run takes over once: its second attempt must not undo what a
 * person did meanwhile. Idempotent for the owner: nothing more is written.
 */
export async function claimOwnership(
  store: Store,
  me: Owner,
  { takeover, nowMs, signal }: { takeover?: string | undefined; nowMs: number; signal?: AbortSignal },
): Promise<Ownership> {
  for (;;) {
    const records = await readRecords(store, signal);
    const highest = records.at(-1);
    if (highest !== undefined && isSame(highest, me)) return { verdict: 'owned' };
    const hasHadItsTurn = records.some(({ takenOverBy }) => takenOverBy !== undefined && takenOverBy === takeover);
    if (highest !== undefined && (takeover === undefined || hasHadItsTurn)) {
      return { verdict: 'read-only', owner: ownerIn(highest) };
    }
    const record: z.infer<typeof ownerRecord> = {
      formatVersion,
      ...ownerIn(me),
      ...(highest !== undefined && { takenOverBy: takeover }),
      writtenAt: timestamp(nowMs),
    };
    // Created or not, the next look tells who holds the highest number now.
    await store.create(ownerKey((highest?.number ?? 0) + 1), encodeDocument(record), signal);
  }
}

/** Whether `me` still is the owner: asked again before what cannot be taken back. */
export async function checkOwnership(store: Store, me: Owner, signal?: AbortSignal): Promise<Ownership> {
  const highest = (await readRecords(store, signal)).at(-1);
  if (highest === undefined)
    throw new Fault('DataCorrupt', 'the repository has lost its owner records', { where: ownersFolder });
  return isSame(highest, me) ? { verdict: 'owned' } : { verdict: 'read-only', owner: ownerIn(highest) };
}

type NumberedRecord = z.infer<typeof ownerRecord> & { number: number };

/** In the order of their numbers. */
async function readRecords(store: Store, signal: AbortSignal | undefined): Promise<NumberedRecord[]> {
  const numbers: number[] = [];
  for await (const { key } of store.list(ownersFolder, signal)) numbers.push(ownerNumber(key) ?? 0);
  const records: NumberedRecord[] = [];
  for (const number of numbers.filter((each) => each > 0).sort((a, b) => a - b)) {
    const key = ownerKey(number);
    const bytes = await readDocument(store, key, signal);
    if (bytes === undefined)
      throw new Fault('DataCorrupt', 'an owner record vanished while it was read', { where: key });
    records.push({ ...decodeDocument(ownerRecord, bytes, key), number });
  }
  return records;
}

const ownerIn = ({ clusterId, namespace, policy }: Owner): Owner => ({ clusterId, namespace, policy });

function isSame(a: Owner, b: Owner): boolean {
  return a.clusterId === b.clusterId && a.namespace === b.namespace && a.policy === b.policy;
}
