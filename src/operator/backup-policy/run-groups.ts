// The policy's status and its metrics count the same runs by the same rules: written once, they cannot disagree.

/** Newest first. Of the same second the name decides: what depends on the order of a list would flap. */
export const newestFirst = (a: { createdAt: string; name: string }, b: { createdAt: string; name: string }): number =>
  laterFirst(a.createdAt, b.createdAt) || laterFirst(a.name, b.name);

export const laterFirst = (a: string, b: string): number => (a < b ? 1 : a > b ? -1 : 0);

export interface Group<Run> {
  /** Undefined for a policy without schedules: then all of its runs are one group. */
  database: string | undefined;
  /** In the order in which they were given. */
  runs: readonly Run[];
}

/**
 * Every database that has a schedule counts by itself: the good run of one says nothing about another. The schedules may
 * be those of a spec that nobody has validated.
 */
export function groupByDatabase<Run extends { database: string | undefined }>(
  schedules: readonly { dump?: { databases: readonly string[] } }[],
  runs: readonly Run[],
): Group<Run>[] {
  const databases = new Set(schedules.flatMap(({ dump }) => dump?.databases ?? []));
  if (databases.size === 0) return [{ database: undefined, runs }];
  return [...databases].map((database) => ({ database, runs: runs.filter((run) => run.database === database) }));
}
