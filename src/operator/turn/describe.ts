import type { Entry, Standing } from './line.ts';

/** Pure: what a waiting object waits for, and its place. Of other namespaces nothing is named. */
export function describeWait(me: Entry, { for: what, behind, place }: Extract<Standing, { kind: 'wait' }>): string {
  const inLine = `place ${roundPlace(place)} in line`;
  if (what === 'operator') return `the operator runs as many backups as it may (limits.concurrentRuns): ${inLine}`;
  if (what === 'store') {
    return `as many backups as may run into ${me.store} at once (limits.concurrentRunsPerStore) do so: ${inLine}`;
  }
  const isOurs = behind?.namespace === me.namespace;
  const who = isOurs ? `${behind.kind === 'BackupRun' ? 'run' : 'request'} ${behind.name}` : 'one of another namespace';
  const isBackup = isOurs && me.kind === 'RestoreRequest' && behind.kind === 'BackupRun';
  const way = isBackup ? '; a backup that runs is not stopped for a restore, but may be deleted' : '';
  return `${who} goes first: one task at a time works on the server ${me.server}, ${inLine}${way}`;
}

/**
 * Each change of the text is a write to the API server for each that waits: exact near the front, where it says when, and
 * coarse behind, where it only says that it will take long.
 */
function roundPlace(place: number): string {
  if (place <= 10) return String(place);
  const steps = [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];
  return `more than ${steps.findLast((step) => step < place)}`;
}
