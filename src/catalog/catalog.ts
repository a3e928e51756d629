import type { Store } from '../store/store.ts';
import { readDocument, sha256Hex } from './document.ts';
import { manifestKey } from './layout.ts';
import { listLineages } from './lineages.ts';
import { decodeManifest, type Manifest } from './manifest.ts';

export interface FoundSet {
  key: string;
  manifest: Manifest;
  /** Of the manifest's own bytes: what a run's status pins. */
  sha256: string;
}

/**
 * The set of a run, or undefined when the store holds no manifest of it: then there is no backup, whatever objects lie
 * there. Throws DataCorrupt or FormatNewer when there is one that cannot be read.
 */
export async function findSet(store: Store, runUid: string, signal?: AbortSignal): Promise<FoundSet | undefined> {
  for (const lineage of await listLineages(store, signal)) {
    const key = manifestKey({ lineage, runUid });
    const bytes = await readDocument(store, key, signal);
    if (bytes !== undefined) return { key, manifest: decodeManifest(bytes, key), sha256: sha256Hex(bytes) };
  }
  return undefined;
}
