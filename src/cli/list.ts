import { describeDuration } from '../base/duration.ts';
import type { Condition } from '../cluster/conditions.ts';
import type { Kind, Resource } from '../cluster/resource.ts';
import { renderTable } from './table.ts';

interface Column {
  header: string;
  cell(object: Resource, nowMs: number): string | undefined;
}

const at = (object: Resource, path: string): string | undefined => {
  let value: unknown = object;
  for (const part of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[part];
  return value === undefined || value === null ? undefined : String(value);
};

const field = (header: string, path: string): Column => ({ header, cell: (object) => at(object, path) });

const age = (header: string, path: string): Column => ({
  header,
  cell(object, nowMs) {
    const time = at(object, path);
    return time === undefined ? undefined : describeDuration(nowMs - Date.parse(time));
  },
});

const ready = (part: 'status' | 'reason' | 'message'): Column => ({
  header: part === 'status' ? 'READY' : part.toUpperCase(),
  cell: ({ status }) =>
    (status as { conditions?: Condition[] } | undefined)?.conditions?.find(({ type }) => type === 'Ready')?.[part],
});

const columns: Record<Kind, Column[]> = {
  BackupPolicy: [
    ready('status'),
    ready('reason'),
    age('LAST SUCCESS', 'status.lastSuccess.time'),
    field('NEXT RUN', 'status.nextRun'),
    ready('message'),
  ],
  BackupRun: [
    field('POLICY', 'spec.policyName'),
    field('PHASE', 'status.phase'),
    field('SIZE', 'status.size'),
    field('TOOK', 'status.duration'),
    age('AGE', 'metadata.creationTimestamp'),
    ready('message'),
  ],
  RestoreRequest: [
    field('PHASE', 'status.phase'),
    field('DATABASE', 'spec.target.database'),
    field('TOOK', 'status.duration'),
    age('AGE', 'metadata.creationTimestamp'),
    ready('message'),
  ],
  BackupGrant: [ready('status'), age('AGE', 'metadata.creationTimestamp'), ready('message')],
};

/** Beside the others with `-o wide`: what a person looks for when something is odd. */
const wideColumns: Record<Kind, Column[]> = {
  BackupPolicy: [
    field('LAST RUN', 'status.lastRun.name'),
    field('PHASE', 'status.lastRun.phase'),
    field('SIZE', 'status.lastSuccess.size'),
    age('AGE', 'metadata.creationTimestamp'),
  ],
  BackupRun: [
    field('MOMENT', 'status.set.consistentAt'),
    field('DATABASE', 'spec.dump.databases.0'),
    field('STORE', 'status.set.store'),
    field('TASK', 'status.currentTask'),
  ],
  RestoreRequest: [
    field('RUN', 'status.source.run'),
    field('MOMENT', 'status.source.consistentAt'),
    field('ROWS', 'status.result.rowCount'),
    field('TASK', 'status.currentTask'),
  ],
  BackupGrant: [],
};

/** The table that `get` prints. With `showNamespace`, objects of several namespaces can be told apart; `wide` adds columns. */
export function renderObjects(
  kind: Kind,
  objects: readonly Resource[],
  nowMs: number,
  { showNamespace, wide }: { showNamespace: boolean; wide: boolean },
): string {
  if (objects.length === 0) return 'There is none.';
  const shown: Column[] = [
    ...(showNamespace ? [field('NAMESPACE', 'metadata.namespace')] : []),
    field('NAME', 'metadata.name'),
    ...columns[kind].slice(0, -1),
    ...(wide ? wideColumns[kind] : []),
    // The sentence is the longest.
    ...columns[kind].slice(-1),
  ];
  return renderTable(
    shown.map(({ header }) => header),
    objects.map((object) => shown.map(({ cell }) => cell(object, nowMs) ?? '')),
  );
}
