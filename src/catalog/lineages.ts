import { z } from 'zod';
import { timestamp } from '../base/clock.ts';
import type { Store } from '../store/store.ts';
import { decodeDocument, encodeDocument, formatVersion, readDocument } from './document.ts';
import { lineageKey, lineageOfFolder } from './layout.ts';
import { chooseLineage, type KnownLineage, type LineageFacts } from './lineage.ts';

const lineageRecord = z.object({
  formatVersion: z.literal(formatVersion),
  engine: z.literal('PostgreSQL'),
  systemIdentifier: z.string().regex(/^[0-9]+$/),
  bornAt: z.iso.datetime(),
});

/** The ids of all lineages of the repository, those included whose record was never written. */
export async function listLineages(store: Store, signal?: AbortSignal): Promise<string[]> {
  const folders = await store.listFolders('', signal);
  return folders.map(lineageOfFolder).filter((id) => id !== undefined);
}

/** The id of the lineage that the server's backups belong to; a new one is recorded. Any number of callers at once get the same. */
export async function settleLineage(
  store: Store,
  facts: LineageFacts,
  { repositoryId, nowMs, signal }: { repositoryId: string; nowMs: number; signal?: AbortSignal },
): Promise<string> {
  const choice = chooseLineage(await readLineages(store, signal), facts, repositoryId);
  if (choice.verdict === 'continue') return choice.lineage.id;
  const { engine, systemIdentifier } = facts;
  const record = { formatVersion, engine, systemIdentifier, bornAt: timestamp(nowMs) };
  // `exists`: born a moment ago by another attempt, with the same id for the same server.
  await store.create(lineageKey(choice.id), encodeDocument(record), signal);
  return choice.id;
}

async function readLineages(store: Store, signal: AbortSignal | undefined): Promise<KnownLineage[]> {
  const known: KnownLineage[] = [];
  for (const id of await listLineages(store, signal)) {
    const key = lineageKey(id);
    const bytes = await readDocument(store, key, signal);
    if (bytes === undefined) continue;
    const { engine, systemIdentifier, bornAt } = decodeDocument(lineageRecord, bytes, key);
    known.push({ id, engine, systemIdentifier, bornAtMs: Date.parse(bornAt) });
  }
  return known;
}
