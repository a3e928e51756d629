import type { DumpDetails, TableCount } from '../engine.ts';
import type { Connection } from './connection.ts';
import { readText } from './locale.ts';
import { quoteTable } from './quoting.ts';

/** Made by a user: not the server's own, not part of an extension, which a dump only names. */
export const userMade = (classId: string, oid: string): string => `
  ${oid} >= 16384 AND NOT EXISTS (
    SELECT FROM pg_depend e WHERE e.classid = '${classId}'::regclass AND e.objid = ${oid} AND e.deptype = 'e')`;

/**
 * Tables whose rows a dump carries: ordinary ones and the leaves of partitioned ones. Not materialized views, whose rows
 * are made anew by a restore; not the unlogged ones of a standby, which cannot be read there.
 */
export async function listTables(connection: Connection): Promise<{ schema: string; table: string }[]> {
  return connection.query(`
    SELECT n.nspname AS schema, c.relname AS "table"
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND ${userMade('pg_class', 'c.oid')}
      AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery())
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY 1, 2`);
}

/** ONLY: a table that others inherit from would count their rows too. */
export async function countRows(
  connection: Connection,
  tables: readonly { schema: string; table: string }[],
): Promise<TableCount[]> {
  const counts: TableCount[] = [];
  for (const table of tables) {
    const [row] = await connection.query<{ rows: string }>(`SELECT count(*) AS rows FROM ONLY ${quoteTable(table)}`);
    counts.push({ ...table, rows: Number(row!.rows) });
  }
  return counts;
}

/** Everything of the details that is quick to find out. */
export async function describeContents(connection: Connection, database: string): Promise<Omit<DumpDetails, 'tables'>> {
  const [about] = await connection.query<{ version: string }>(
    `SELECT split_part(current_setting('server_version'), ' ', 1) AS version`,
  );
  const roles = await connection.query<{ name: string }>(rolesQuery);
  const extensions = await connection.query<{ name: string }>(
    `SELECT extname AS name FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1`,
  );
  const forced = await connection.query<{ name: string }>(`
    SELECT format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relrowsecurity AND c.relforcerowsecurity AND ${userMade('pg_class', 'c.oid')} ORDER BY 1`);
  return {
    database,
    ...(await readText(connection)),
    serverVersion: about!.version,
    roles: roles.map((row) => row.name),
    extensions: extensions.map((row) => row.name),
    forcedRowSecurity: forced.map((row) => row.name),
    foreignKeyCount: await countForeignKeys(connection),
  };
}

/** The copies that partitions have of their parent's keys are not counted. */
export async function countForeignKeys(connection: Connection): Promise<number> {
  const [row] = await connection.query<{ count: string }>(
    `SELECT count(*) AS count FROM pg_constraint WHERE contype = 'f' AND conparentid = 0`,
  );
  return Number(row!.count);
}

// pg_shdepend knows every role that matters but the one that initdb made: what that one owns is looked up by itself.
const rolesQuery = `
  SELECT rolname AS name FROM pg_roles WHERE rolname !~ '^pg_' AND oid IN (
    SELECT refobjid FROM pg_shdepend
    WHERE refclassid = 'pg_authid'::regclass AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION SELECT relowner FROM pg_class WHERE ${userMade('pg_class', 'pg_class.oid')}
    UNION SELECT proowner FROM pg_proc WHERE ${userMade('pg_proc', 'pg_proc.oid')}
    UNION SELECT typowner FROM pg_type WHERE ${userMade('pg_type', 'pg_type.oid')}
    UNION SELECT nspowner FROM pg_namespace WHERE ${userMade('pg_namespace', 'pg_namespace.oid')}
  ) ORDER BY 1`;
