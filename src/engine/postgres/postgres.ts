import { Fault } from '../../base/fault.ts';
import type { Engine, Server, ServerAccess, ServerFacts } from '../engine.ts';
import { checkRestored } from './check.ts';
import { openConnection } from './connection.ts';
import { beginDump } from './dump.ts';
import { restoreDump } from './restore.ts';
import { checkTarget } from './target.ts';

/** PostgreSQL 13 to 18: pg_dump and pg_restore as streams, everything else as SQL. */
export const postgres: Engine = {
  async connect(access, signal): Promise<Server> {
    const facts = await readFacts(access, signal);
    return {
      facts,
      dump: ({ database }, steps, within) => beginDump(access, facts, database, steps, within),
      checkTarget: ({ database, details }, within) => checkTarget(access, facts, database, details, within),
      restore: ({ database }, bytes, steps, within) => restoreDump(access, facts, database, bytes, steps, within),
      check: ({ database, details }, within) => checkRestored(access, database, details, within),
      close: async () => {},
    };
  },
};

// Facts of the server are the same in each of its databases: a role may be shut out of one of these.
const anyDatabase = ['postgres', 'template1'] as const;

async function readFacts(access: ServerAccess, signal: AbortSignal): Promise<ServerFacts> {
  for (const [at, database] of anyDatabase.entries()) {
    try {
      const connection = await openConnection(access, database, signal);
      try {
        const [row] = await connection.query<{ version: string; system: string }>(`
          SELECT split_part(current_setting('server_version'), ' ', 1) AS version, system_identifier AS system
          FROM pg_control_system()`);
        return { engine: 'PostgreSQL', version: row!.version, systemIdentifier: row!.system };
      } finally {
        await connection.close();
      }
    } catch (thrown) {
      const shutOut =
        thrown instanceof Fault && (thrown.reason === 'DatabaseMissing' || thrown.reason === 'PrivilegeMissing');
      if (!shutOut || at === anyDatabase.length - 1) throw thrown;
    }
  }
  throw new Fault('Internal', 'there is no database to ask');
}
