import { Fault } from '../../base/fault.ts';
import type { Bytes } from '../../stream/bytes.ts';
import type { ServerAccess, ServerFacts, Steps } from '../engine.ts';
import { toolFault } from './faults.ts';
import { checkToolVersion, ownWordsOf, toolConnection, toolEnv, toolVersion } from './tool.ts';

/**
 * pg_restore in one transaction that any error ends: a failure at whatever point leaves the database as it was. Objects go
 * to the default tablespace, because a tablespace is a place on the old server.
 */
export async function restoreDump(
  access: ServerAccess,
  facts: ServerFacts,
  database: string,
  bytes: Bytes,
  steps: Steps,
  signal: AbortSignal,
): Promise<{ toolVersion: string }> {
  const version = await toolVersion('pg_restore', steps, signal);
  checkToolVersion('pg_restore', version, facts);
  const target = await toolConnection(access, database, steps, signal);
  const args = ['pg_restore', '--single-transaction', '--exit-on-error', '--no-tablespaces', '--no-password'];
  try {
    const { stderr } = await steps.write([...args, `--dbname=${target}`], bytes, {
      signal,
      env: toolEnv,
      wordsOf: ownWordsOf,
    });
    const error = stderr.split('\n').find((line) => line.startsWith('pg_restore: error:'));
    if (error !== undefined) throw new Fault('ToolFailed', `pg_restore ended well, but said: ${error}`);
  } catch (thrown) {
    throw toolFault(thrown, access);
  }
  return { toolVersion: version };
}
