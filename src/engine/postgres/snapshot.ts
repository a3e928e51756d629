import { Fault } from '../../base/fault.ts';
import type { Connection } from './connection.ts';
import { listTables } from './contents.ts';
import { quoteTable } from './quoting.ts';

/**
 * How long a backup waits for a table that somebody has locked. While it waits it holds the tables before that one, and
 * an ALTER TABLE that queues behind it makes everybody else queue too: a backup must fail before that hurts.
 */
export const lockWaitMs = 60_000;

export interface Snapshot {
  /** For `pg_dump --snapshot`; good as long as the transaction is open. */
  snapshot: string;
  consistentAtMs: number;
  position: string;
  /** Every table of the snapshot, each locked. */
  tables: { schema: string; table: string }[];
}

// Between the list and the lock a table can come or go; more often than this is no accident.
const mostTries = 5;

/**
 * Opens the transaction of a dump: locks every table first and takes the snapshot only then. The other way round, a
 * table that is truncated or rewritten between the two is empty for the snapshot though it never was for anybody
 * (PostgreSQL manual, "MVCC Caveats"): the dump would hold no row of it, and the count of rows would agree. LOCK TABLE
 * takes no snapshot (manual page LOCK). Throws TableLocked when a lock is not to be had in `waitMs`.
 */
export async function lockAndExportSnapshot(connection: Connection, waitMs = lockWaitMs): Promise<Snapshot> {
  await connection.query(`SET lock_timeout = ${waitMs}`);
  for (let tries = 1; ; tries += 1) {
    const tables = await listTables(connection);
    await connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    if ((await lockAll(connection, tables, waitMs)) === 'locked') {
      const [row] = await connection.query<{ snapshot: string; ms: string; position: string }>(`
        SELECT pg_export_snapshot() AS snapshot, floor(extract(epoch FROM clock_timestamp()) * 1000) AS ms,
               CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS position`);
      const { snapshot, ms, position } = row!;
      const seen = await listTables(connection);
      if (JSON.stringify(seen) === JSON.stringify(tables)) {
        return { snapshot, consistentAtMs: Number(ms), position, tables };
      }
    }
    await connection.query('ROLLBACK');
    if (tries === mostTries) {
      throw new Fault('TableLocked', `tables came and went ${mostTries} times while they were being locked`);
    }
  }
}

async function lockAll(
  connection: Connection,
  tables: Snapshot['tables'],
  waitMs: number,
): Promise<'locked' | 'table-gone'> {
  if (tables.length === 0) return 'locked';
  try {
    const names = tables.map((table) => `ONLY ${quoteTable(table)}`);
    await connection.query(`LOCK TABLE ${names.join(', ')} IN ACCESS SHARE MODE`);
    return 'locked';
  } catch (thrown) {
    switch (sqlStateOf(thrown)) {
      case '42P01':
        return 'table-gone';
      case '55P03': {
        await connection.query('ROLLBACK');
        const holders = await describeHolders(connection);
        throw new Fault('TableLocked', `no lock within ${waitMs / 1000} s${holders}`, { cause: thrown });
      }
      default:
        throw thrown;
    }
  }
}

/** Who holds the only lock that keeps a reader out. Empty when it was let go meanwhile. */
async function describeHolders(connection: Connection): Promise<string> {
  const rows = await connection.query<{ name: string; pid: number }>(`
    SELECT format('%I.%I', n.nspname, c.relname) AS name, l.pid
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE l.granted AND l.mode = 'AccessExclusiveLock' AND l.database = (
      SELECT oid FROM pg_database WHERE datname = current_database())
      AND c.relkind IN ('r', 'p') AND l.pid <> pg_backend_pid()
    ORDER BY 1 LIMIT 5`);
  return rows.map(({ name, pid }) => `; ${name} is locked by process ${pid}`).join('');
}

function sqlStateOf(thrown: unknown): string | undefined {
  const { code, cause } = thrown as { code?: string; cause?: unknown };
  return code ?? (cause === undefined || cause === null ? undefined : sqlStateOf(cause));
}
