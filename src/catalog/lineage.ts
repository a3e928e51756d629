import { createHash } from 'node:crypto';

/** What a server says of itself that tells whose history it carries on. */
export interface LineageFacts {
  engine: 'PostgreSQL';
  /** Written by initdb once; a copy, a standby and a promoted standby have the same. */
  systemIdentifier: string;
}

export interface KnownLineage extends LineageFacts {
  id: string;
  /** Epoch milliseconds. */
  bornAtMs: number;
}

export type LineageVerdict = { verdict: 'continue'; lineage: KnownLineage } | { verdict: 'born'; id: string };

/**
 * Which lineage a server's backups belong to. A server continues a lineage when it has the same system identifier; of
 * several the oldest, so that every caller comes to the same. Otherwise a new one is born.
 */
export function chooseLineage(
  known: readonly KnownLineage[],
  facts: LineageFacts,
  repositoryId: string,
): LineageVerdict {
  const [oldest] = known
    .filter((one) => one.engine === facts.engine && one.systemIdentifier === facts.systemIdentifier)
    .sort((a, b) => a.bornAtMs - b.bornAtMs || (a.id < b.id ? -1 : 1));
  return oldest === undefined
    ? { verdict: 'born', id: lineageId(facts, repositoryId) }
    : { verdict: 'continue', lineage: oldest };
}

// The last word looks random and differs between repositories, but two attempts that meet a new server at the same
// moment compute the same one: a lineage that each of them drew for itself would split the run in two, and the second
// manifest would no longer lose against the first.
function lineageId({ systemIdentifier }: LineageFacts, repositoryId: string): string {
  const hash = createHash('sha256').update(`${repositoryId}\n${systemIdentifier}`).digest('hex');
  return `pg-${systemIdentifier}-${hash.slice(0, 8)}`;
}
