import { Fault } from '../../base/fault.ts';
import type { DumpDetails, ServerAccess, ServerFacts } from '../engine.ts';
import { type Connection, openConnection } from './connection.ts';
import { userMade } from './contents.ts';
import { createDatabaseSql, readText, textDifferences } from './locale.ts';
import { quoteName } from './quoting.ts';
import { majorOf } from './tool.ts';

/** Looks at everything that would end a restore half-way, and changes nothing. */
export async function checkTarget(
  access: ServerAccess,
  facts: ServerFacts,
  database: string,
  details: DumpDetails,
  signal: AbortSignal,
): Promise<void> {
  if (majorOf(facts.version) < majorOf(details.serverVersion)) {
    throw new Fault(
      'VersionUnsupported',
      `the backup is of PostgreSQL ${details.serverVersion}, the target is ${facts.version}`,
      { where: `${access.host}:${access.port}` },
    );
  }
  const connection = await openTarget(access, facts, database, details, signal);
  try {
    await checkEmpty(connection, database);
    await checkText(connection, facts, database, details);
    await checkExtensions(connection, details);
    await checkRoles(connection, details);
    await checkPrivileges(connection, access, database);
    await checkRowSecurity(connection, access, details);
  } finally {
    await connection.close();
  }
}

async function openTarget(
  access: ServerAccess,
  facts: ServerFacts,
  database: string,
  details: DumpDetails,
  signal: AbortSignal,
): Promise<Connection> {
  try {
    return await openConnection(access, database, signal);
  } catch (thrown) {
    if (!(thrown instanceof Fault) || thrown.reason !== 'DatabaseMissing') throw thrown;
    throw new Fault('DatabaseMissing', thrown.message, {
      hint: `Create it: ${createDatabaseSql(database, details, facts.version)}`,
      cause: thrown,
    });
  }
}

const shown = 5;

async function checkEmpty(connection: Connection, database: string): Promise<void> {
  const found = await connection.query<{ name: string }>(`
    SELECT name FROM (
      SELECT 1 AS place, 'relation ' || format('%I.%I', n.nspname, c.relname) AS name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND n.nspname !~ '^pg_(toast|temp)' AND ${userMade('pg_class', 'c.oid')}
      UNION ALL
      SELECT 2, 'routine ' || p.oid::regprocedure::text FROM pg_proc p WHERE ${userMade('pg_proc', 'p.oid')}
      UNION ALL
      SELECT 3, 'type ' || format('%I.%I', n.nspname, t.typname)
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
      WHERE t.typtype IN ('d', 'e', 'r') AND ${userMade('pg_type', 't.oid')}
      UNION ALL
      SELECT 4, 'schema ' || format('%I', nspname) FROM pg_namespace
      WHERE nspname <> 'public' AND nspname !~ '^pg_(toast_)?temp' AND ${userMade('pg_namespace', 'pg_namespace.oid')}
      UNION ALL
      SELECT 5, 'large object ' || oid FROM pg_largeobject_metadata
      UNION ALL
      SELECT 6, 'event trigger ' || format('%I', evtname) FROM pg_event_trigger
      UNION ALL
      SELECT 7, 'publication ' || format('%I', pubname) FROM pg_publication
    ) AS found ORDER BY place, name LIMIT ${shown + 1}`);
  if (found.length === 0) return;
  const names = found.slice(0, shown).map((row) => row.name);
  const more = found.length > shown ? ' and more' : '';
  throw new Fault('TargetNotEmpty', `database "${database}" holds ${names.join(', ')}${more}`, { where: database });
}

async function checkText(
  connection: Connection,
  facts: ServerFacts,
  database: string,
  details: DumpDetails,
): Promise<void> {
  const differences = textDifferences(details, await readText(connection));
  if (differences.length === 0) return;
  throw new Fault('TargetUnfit', `database "${database}" has ${differences.join('; ')}`, {
    hint: `Make it anew, or another one, like the one that was backed up: ${createDatabaseSql(database, details, facts.version)}`,
  });
}

async function checkExtensions(connection: Connection, details: DumpDetails): Promise<void> {
  const rows = await connection.query<{ name: string }>(
    `SELECT name FROM unnest($1::text[]) AS name WHERE name NOT IN (SELECT name FROM pg_available_extensions)`,
    [details.extensions],
  );
  if (rows.length === 0) return;
  throw new Fault(
    'TargetUnfit',
    `the server does not have these extensions: ${rows.map((row) => row.name).join(', ')}`,
    {
      hint: 'Install them on the machine or in the image of the target.',
    },
  );
}

async function checkRoles(connection: Connection, details: DumpDetails): Promise<void> {
  const rows = await connection.query<{ name: string }>(
    `SELECT name FROM unnest($1::text[]) AS name WHERE name NOT IN (SELECT rolname FROM pg_roles)`,
    [details.roles],
  );
  if (rows.length === 0) return;
  throw new Fault('RoleMissing', `these roles do not exist on the target: ${rows.map((row) => row.name).join(', ')}`, {
    hint: `On the target: ${rows.map((row) => `CREATE ROLE ${quoteName(row.name)};`).join(' ')}`,
  });
}

async function checkPrivileges(connection: Connection, access: ServerAccess, database: string): Promise<void> {
  const [row] = await connection.query<{ may: boolean }>(
    `SELECT has_database_privilege(current_database(), 'CREATE') AS may`,
  );
  if (row!.may) return;
  throw new Fault('PrivilegeMissing', `role "${access.username}" may not create anything in database "${database}"`, {
    hint: `GRANT CREATE ON DATABASE ${quoteName(database)} TO ${quoteName(access.username)}; docs/postgres.md lists all that a restore needs.`,
  });
}

/** The comparison reads every row, after the commit: a role that some are hidden from would fail only then. */
async function checkRowSecurity(connection: Connection, access: ServerAccess, details: DumpDetails): Promise<void> {
  const [first, ...more] = details.forcedRowSecurity;
  if (first === undefined) return;
  const [row] = await connection.query<{ may: boolean }>(
    `SELECT rolsuper OR rolbypassrls AS may FROM pg_roles WHERE rolname = current_user`,
  );
  if (row!.may) return;
  const others = more.length === 0 ? '' : ` and ${more.length} more`;
  throw new Fault(
    'PrivilegeMissing',
    `row-level security hides rows of ${first}${others} from role "${access.username}", which could not compare them`,
    { hint: `As a superuser of the target: ALTER ROLE ${quoteName(access.username)} BYPASSRLS;` },
  );
}
