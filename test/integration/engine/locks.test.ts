import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Dump, ServerAccess } from '../../../src/engine/engine.ts';
import { beginDump } from '../../../src/engine/postgres/dump.ts';
import { eventually } from '../../harness/eventually.ts';
import { faultOf } from '../../harness/fault-of.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';
import { collect, ToolContainer } from '../../harness/tool-container.ts';

const never = new AbortController().signal;
const database = 'busy';
let server: Postgres;
let access: ServerAccess;
let tool: ToolContainer;
/** Somebody else who works with the tables. */
let other: pg.Client;

beforeAll(async () => {
  server = await startPostgres();
  const { port, username, password } = server;
  access = { host: 'localhost', port, username, password, tls: { mode: 'Disable' }, applicationName: 'backstay test' };
});

afterAll(() => server?.stop());

beforeEach(async () => {
  await server.query(`DROP DATABASE IF EXISTS ${database}`);
  await server.query(`CREATE DATABASE ${database}`);
  await server.query('CREATE TABLE a AS SELECT n FROM generate_series(1, 10) n; CREATE TABLE b AS SELECT * FROM a', {
    database,
  });
  tool = new ToolContainer({ toolsDir: server.bin }).start();
  other = new pg.Client(server.connection(database));
  await other.connect();
});

afterEach(async () => {
  await other.end();
  await tool.remove();
});

async function begin(waitMs?: number): Promise<Dump> {
  const { steps } = await tool.open();
  const facts = { engine: 'PostgreSQL', version: '13.0', systemIdentifier: '1' } as const;
  return beginDump(access, facts, database, steps, never, waitMs);
}

async function rowsDumped(dump: Dump): Promise<Record<string, number>> {
  try {
    await collect(dump.bytes);
    const { details } = await dump.result;
    return Object.fromEntries(details.tables.map(({ table, rows }) => [table, rows]));
  } finally {
    await dump.close();
  }
}

/** Waits until a session waits for a lock that it was not given. */
const untilSomebodyWaits = (statement: string): Promise<void> =>
  eventually(async () => {
    const sql = `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '${statement}%'`;
    if ((await server.query(sql)).length === 0) throw new Error(`nobody waits: ${statement}`);
  });

describe('a dump while somebody works with the tables', () => {
  it('never takes a table for empty that is being loaded anew', async () => {
    await other.query('BEGIN; TRUNCATE b; INSERT INTO b SELECT n FROM generate_series(1, 25) n');
    const dumping = begin();
    await untilSomebodyWaits('LOCK TABLE');
    await other.query('COMMIT');
    expect(await rowsDumped(await dumping)).toEqual({ a: 10, b: 25 });
  });

  it('holds every table of its snapshot, also one that was made while it waited', async () => {
    await other.query('BEGIN; LOCK TABLE b; CREATE TABLE c AS SELECT n FROM generate_series(1, 7) n');
    const dumping = begin();
    await untilSomebodyWaits('LOCK TABLE');
    await other.query('COMMIT');
    expect(await rowsDumped(await dumping)).toEqual({ a: 10, b: 10, c: 7 });
  });

  it('does without a table that was dropped while it waited', async () => {
    await other.query('BEGIN; DROP TABLE b');
    const dumping = begin();
    await untilSomebodyWaits('LOCK TABLE');
    await other.query('COMMIT');
    expect(await rowsDumped(await dumping)).toEqual({ a: 10 });
  });

  it('gives up a table that stays locked, and says by whom', async () => {
    await other.query('BEGIN; LOCK TABLE b');
    const [row] = (await other.query('SELECT pg_backend_pid() AS pid')).rows;
    const fault = await faultOf(begin(300));
    expect(fault).toMatchObject({
      reason: 'TableLocked',
      message: `no lock within 0.3 s; public.b is locked by process ${row.pid}`,
    });
  });

  it('does not wait for an ALTER TABLE that waits for it', async () => {
    const dump = await begin(2_000);
    const altering = other.query('ALTER TABLE b ADD COLUMN m int');
    await untilSomebodyWaits('ALTER TABLE');
    expect((await faultOf(rowsDumped(dump))).reason).toBe('TableLocked');
    // With the dump gone, the owner of the table has its way.
    await altering;
  });
});
