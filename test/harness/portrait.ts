import { createHash } from 'node:crypto';
import pg from 'pg';

/**
 * Everything about a database that a restore must bring back, in a form that can be compared: every row of every table
 * as a digest, and every definition as the text that the server itself gives. Made by plain SQL, apart from the code
 * under test.
 */
export interface Portrait {
  rows: Record<string, number>;
  contents: Record<string, string>;
  definitions: Record<string, string>;
  brokenForeignKeys: number;
  version: string;
}

export async function drawPortrait(connection: pg.ClientConfig): Promise<Portrait> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const rows: Record<string, number> = {};
    const contents: Record<string, string> = {};
    for (const { name } of (await client.query(tablesQuery)).rows) {
      const digest = createHash('sha256');
      const { rows: lines } = await client.query({
        text: `SELECT t::text FROM ${name} t ORDER BY t::text`,
        rowMode: 'array',
      });
      for (const [line] of lines) digest.update(`${line}\n`);
      rows[name] = lines.length;
      contents[name] = digest.digest('hex');
    }
    const definitions: Record<string, string> = {};
    for (const { name, definition } of (await client.query(definitionsQuery)).rows) definitions[name] = definition;
    const { rows: versions } = await client.query('SHOW server_version');
    return {
      rows,
      contents,
      definitions,
      brokenForeignKeys: await countBrokenForeignKeys(client),
      version: versions[0].server_version,
    };
  } finally {
    await client.end();
  }
}

/** What differs, one line each; empty when nothing does. */
export function comparePortraits(before: Portrait, after: Portrait): string[] {
  const differences: string[] = [];
  for (const part of ['rows', 'contents', 'definitions'] as const) {
    const names = new Set([...Object.keys(before[part]), ...Object.keys(after[part])]);
    for (const name of names) {
      const was = before[part][name];
      const is = after[part][name];
      if (was !== is) differences.push(`${part} of ${name}: ${was ?? 'not there'} -> ${is ?? 'not there'}`);
    }
  }
  if (after.brokenForeignKeys > 0) differences.push(`${after.brokenForeignKeys} rows point at rows that do not exist`);
  return differences;
}

const userSchemas = `n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'`;

const tablesQuery = `
  SELECT format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND ${userSchemas} ORDER BY 1`;

const definitionsQuery = `
  SELECT 'constraint ' || c.conrelid::regclass || '.' || c.conname AS name,
         pg_get_constraintdef(c.oid) || ' validated=' || c.convalidated AS definition
  FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace WHERE ${userSchemas}
  UNION ALL
  SELECT 'routine ' || p.oid::regprocedure, pg_get_functiondef(p.oid)
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${userSchemas} AND p.prokind <> 'a'
  UNION ALL
  SELECT 'trigger ' || t.tgrelid::regclass || '.' || t.tgname, pg_get_triggerdef(t.oid) || ' enabled=' || t.tgenabled::text
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE ${userSchemas} AND NOT t.tgisinternal
  UNION ALL
  SELECT 'view ' || c.oid::regclass, pg_get_viewdef(c.oid)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${userSchemas} AND c.relkind IN ('v', 'm')
  UNION ALL
  SELECT 'index ' || i.indexrelid::regclass, pg_get_indexdef(i.indexrelid) || ' valid=' || i.indisvalid
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${userSchemas}
  UNION ALL
  SELECT 'column ' || a.attrelid::regclass || '.' || a.attname,
         format_type(a.atttypid, a.atttypmod) || ' notnull=' || a.attnotnull || ' identity=' || a.attidentity::text
         || ' default=' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE ${userSchemas} AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT 'sequence ' || format('%I.%I', schemaname, sequencename),
         format('last=%s start=%s step=%s', last_value, start_value, increment_by)
  FROM pg_sequences
  UNION ALL
  SELECT 'owner of ' || format('%I.%I', n.nspname, c.relname), r.rolname || ' ' || coalesce(c.relacl::text, '')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
  WHERE ${userSchemas} AND c.relkind IN ('r', 'p', 'v', 'S')
  ORDER BY 1`;

async function countBrokenForeignKeys(client: pg.Client): Promise<number> {
  const { rows: keys } = await client.query(`
    SELECT conrelid::regclass::text AS child, confrelid::regclass::text AS parent,
           (SELECT array_agg(quote_ident(attname) ORDER BY ord) FROM unnest(conkey) WITH ORDINALITY k(num, ord)
             JOIN pg_attribute ON attrelid = conrelid AND attnum = num)::text[] AS child_columns,
           (SELECT array_agg(quote_ident(attname) ORDER BY ord) FROM unnest(confkey) WITH ORDINALITY k(num, ord)
             JOIN pg_attribute ON attrelid = confrelid AND attnum = num)::text[] AS parent_columns
    FROM pg_constraint WHERE contype = 'f'`);
  let broken = 0;
  for (const { child, parent, child_columns: from, parent_columns: to } of keys) {
    const joined = from.map((column: string, at: number) => `c.${column} = p.${to[at]}`).join(' AND ');
    const present = from.map((column: string) => `c.${column} IS NOT NULL`).join(' AND ');
    const { rows } = await client.query(
      `SELECT count(*)::int AS n FROM ${child} c WHERE ${present} AND NOT EXISTS (SELECT 1 FROM ${parent} p WHERE ${joined})`,
    );
    broken += rows[0].n;
  }
  return broken;
}
