import { Fault } from '../../base/fault.ts';
import type { CheckResult, DumpDetails, ServerAccess, TableCount } from '../engine.ts';
import { type Connection, openConnection } from './connection.ts';
import { countForeignKeys, countRows, listTables } from './contents.ts';
import { quoteTable } from './quoting.ts';

/** Compares by reading every row anew; no index is believed. */
export async function checkRestored(
  access: ServerAccess,
  database: string,
  details: DumpDetails,
  signal: AbortSignal,
): Promise<CheckResult> {
  const connection = await openConnection(access, database, signal);
  try {
    await connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    // Counting keys spills to the server's disk with the default of 4 MB, which doubles the time.
    await connection.query("SET work_mem = '64MB'");
    for (const kind of ['indexscan', 'indexonlyscan', 'bitmapscan']) await connection.query(`SET enable_${kind} = off`);
    const counts = await countRows(connection, await listTables(connection));
    const foreignKeys = await checkForeignKeys(connection, details.foreignKeyCount);
    const differences = [
      ...compareCounts(details.tables, counts),
      ...foreignKeys.differences,
      ...(await checkUniqueKeys(connection)),
    ];
    if (differences.length > 0) {
      const more = differences.length > 10 ? `; and ${differences.length - 10} more` : '';
      throw new Fault('CheckFailed', `${differences.slice(0, 10).join('; ')}${more}`, { where: database });
    }
    return {
      tableCount: counts.length,
      rowCount: counts.reduce((sum, table) => sum + table.rows, 0),
      foreignKeyCount: foreignKeys.joinedCount,
    };
  } finally {
    await connection.close();
  }
}

export function compareCounts(expected: readonly TableCount[], found: readonly TableCount[]): string[] {
  const rest = new Map(found.map((table) => [quoteTable(table), table.rows]));
  const differences: string[] = [];
  for (const table of expected) {
    const name = quoteTable(table);
    const rows = rest.get(name);
    rest.delete(name);
    if (rows === undefined) differences.push(`table ${name} is missing`);
    else if (rows !== table.rows) differences.push(`table ${name} has ${rows} rows, the backup had ${table.rows}`);
  }
  for (const name of rest.keys()) differences.push(`table ${name} was not in the backup`);
  return differences;
}

interface ForeignKey {
  name: string;
  child: string;
  parent: string;
  child_columns: string[];
  parent_columns: string[];
  operators: string[];
  match: 's' | 'f' | 'p';
}

/**
 * `expectedCount` is of all keys. Those that the source had not validated either, does not enforce, or that are temporal
 * are counted but not joined: orphans of the first two are in the original too.
 */
async function checkForeignKeys(
  connection: Connection,
  expectedCount: number,
): Promise<{ differences: string[]; joinedCount: number }> {
  const count = await countForeignKeys(connection);
  const differences = count === expectedCount ? [] : [`${count} foreign keys, the backup had ${expectedCount}`];
  const keys = await connection.query<ForeignKey>(foreignKeysQuery);
  for (const key of keys) {
    const [row] = await connection.query<{ orphans: string }>(orphansQuery(key));
    if (row!.orphans !== '0') {
      differences.push(
        `${row!.orphans} rows of ${key.child} point at nothing in ${key.parent} (foreign key ${key.name})`,
      );
    }
  }
  return { differences, joinedCount: keys.length };
}

/** Rows that break the key. MATCH SIMPLE lets a row off when any column is null, MATCH FULL only when all are. */
export function orphansQuery(key: Omit<ForeignKey, 'name'>): string {
  const equal = key.child_columns.map((column, at) => `p.${key.parent_columns[at]} ${key.operators[at]} c.${column}`);
  const nulls = key.child_columns.map((column) => `c.${column} IS NULL`);
  const letOff = nulls.join(key.match === 'f' ? ' AND ' : ' OR ');
  return `SELECT count(*) AS orphans FROM ${key.child} c
    WHERE NOT (${letOff}) AND NOT EXISTS (SELECT FROM ${key.parent} p WHERE ${equal.join(' AND ')})`;
}

// ONLY but for partitioned tables: a key does not hold for tables that inherit. The equality operators are the key's
// own: those of an extension's types are not in pg_catalog. Temporal keys (18) do not compare by equality.
const foreignKeysQuery = `
  SELECT k.conname AS name, ${tableSql('c', 'cn')} AS child, ${tableSql('p', 'pn')} AS parent, k.confmatchtype AS match,
    ARRAY(SELECT format('%I', a.attname) FROM unnest(k.conkey) WITH ORDINALITY AS u(num, place)
      JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.place) AS child_columns,
    ARRAY(SELECT format('%I', a.attname) FROM unnest(k.confkey) WITH ORDINALITY AS u(num, place)
      JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.place) AS parent_columns,
    ARRAY(SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname) FROM unnest(k.conpfeqop) WITH ORDINALITY AS u(op, place)
      JOIN pg_operator o ON o.oid = u.op JOIN pg_namespace n ON n.oid = o.oprnamespace ORDER BY u.place) AS operators
  FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
    JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
  WHERE k.contype = 'f' AND k.conparentid = 0 AND k.convalidated AND coalesce(to_jsonb(k) ->> 'conperiod', 'false') = 'false'
  ORDER BY 1, 2`;

function tableSql(table: string, schema: string): string {
  return `CASE ${table}.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END || format('%I.%I', ${schema}.nspname, ${table}.relname)`;
}

interface UniqueKey {
  name: string;
  relation: string;
  columns: string[];
  predicate: string | null;
  nulls_equal: boolean;
}

async function checkUniqueKeys(connection: Connection): Promise<string[]> {
  const differences: string[] = [];
  for (const key of await connection.query<UniqueKey>(uniqueKeysQuery)) {
    const [row] = await connection.query<{ duplicates: string }>(duplicatesQuery(key));
    if (row!.duplicates !== '0') {
      differences.push(`${row!.duplicates} keys occur twice in ${key.relation} (unique index ${key.name})`);
    }
  }
  return differences;
}

export function duplicatesQuery(key: Omit<UniqueKey, 'name'>): string {
  const wanted = key.predicate === null ? [] : [`(${key.predicate})`];
  if (!key.nulls_equal) wanted.push(...key.columns.map((column) => `(${column}) IS NOT NULL`));
  const where = wanted.length === 0 ? '' : `WHERE ${wanted.join(' AND ')}`;
  // The parentheses keep a plain number from being the place of a column.
  const by = key.columns.map((column) => `(${column})`).join(', ');
  return `SELECT count(*) AS duplicates FROM
    (SELECT FROM ONLY ${key.relation} ${where} GROUP BY ${by} HAVING count(*) > 1) AS twice`;
}

const uniqueKeysQuery = `
  SELECT ic.relname AS name, format('%I.%I', n.nspname, c.relname) AS relation,
    ARRAY(SELECT pg_get_indexdef(i.indexrelid, place, false) FROM generate_series(1, i.indnkeyatts) AS place) AS columns,
    pg_get_expr(i.indpred, i.indrelid) AS predicate,
    coalesce(to_jsonb(i) ->> 'indnullsnotdistinct', 'false') = 'true' AS nulls_equal
  FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
    JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE i.indisunique AND c.relkind = 'r' AND c.oid >= 16384 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  ORDER BY 1, 2`;
