import { Fault } from '../../base/fault.ts';
import type { ServerAccess, ServerFacts, Steps } from '../engine.ts';
import { connectionString, passwordFile } from './quoting.ts';

const sslModes = { Disable: 'disable', Require: 'require', VerifyCA: 'verify-ca', VerifyFull: 'verify-full' } as const;

/** Messages in English: their words decide on the reason of a failure. LC_ALL, for an image may set that, and it wins. */
export const toolEnv = { LC_ALL: 'C', LANGUAGE: 'C' };

// What follows these words is user data or user code: rows, values, the bodies of functions.
const quotedData = /^(?:DETAIL|CONTEXT|QUERY|STATEMENT|Command was): /;
const ownWords = /^(?:pg_dump|pg_restore|ERROR|FATAL|PANIC|HINT|LOCATION|WARNING|NOTICE): /;

/**
 * Why a tool of PostgreSQL failed, in its own words. A message goes into status, events and logs, where the rows of a database
 * must not stand; and the body of a long function would push the cause out of the last lines.
 */
export function ownWordsOf(stderr: string): string {
  let isData = false;
  const kept = stderr.split('\n').filter((line) => {
    if (quotedData.test(line)) isData = true;
    else if (ownWords.test(line)) isData = false;
    return !isData;
  });
  return kept.join('\n');
}

/** How a tool of PostgreSQL reaches one database. Password and certificate are files that only the tool may read. */
export async function toolConnection(
  access: ServerAccess,
  database: string,
  steps: Steps,
  signal: AbortSignal,
): Promise<string> {
  const passfile = await steps.writeSecret('pgpass', passwordFile(access.password), signal);
  const ca =
    access.tls.caPem === undefined ? undefined : await steps.writeSecret('server-ca.pem', access.tls.caPem, signal);
  return connectionString({
    host: access.host,
    port: String(access.port),
    user: access.username,
    dbname: database,
    passfile,
    sslmode: sslModes[access.tls.mode],
    ...(ca !== undefined && { sslrootcert: ca }),
    application_name: access.applicationName,
    connect_timeout: '30',
  });
}

/** `18.6` of `pg_dump (PostgreSQL) 18.6 (Debian ...)`. Throws ToolMissing. */
export async function toolVersion(tool: 'pg_dump' | 'pg_restore', steps: Steps, signal: AbortSignal): Promise<string> {
  const { stdout } = await steps.run([tool, '--version'], { signal, env: toolEnv });
  const version = /\(PostgreSQL\) ([0-9][^\s]*)/.exec(stdout)?.[1];
  if (version === undefined)
    throw new Fault('ToolMissing', `what is called ${tool} is not PostgreSQL's: ${stdout.trim()}`);
  return version;
}

/** `18.6` -> 18. */
export function majorOf(version: string): number {
  return Number.parseInt(version, 10);
}

/** Throws VersionUnsupported: an older tool does not know what a newer server holds. */
export function checkToolVersion(tool: string, version: string, facts: ServerFacts): void {
  if (majorOf(version) >= majorOf(facts.version)) return;
  throw new Fault('VersionUnsupported', `${tool} ${version} is older than the server, which is ${facts.version}`, {
    hint: `Use the tools of PostgreSQL ${majorOf(facts.version)} or newer.`,
  });
}
