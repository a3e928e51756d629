import { rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Report, SetSummary } from '../../../src/contract/report.ts';
import {
  type AgentRun,
  backUp,
  backupTask,
  filesystemStore,
  restoreTask,
  runTask,
  secretsOf,
  storeDirectory,
} from '../../harness/agent-task.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';
import { until } from '../../harness/tool-container.ts';

let postgres: Postgres;
let store: string;

beforeAll(async () => {
  postgres = await startPostgres();
  store = storeDirectory();
});

afterAll(async () => {
  await postgres?.stop();
  rmSync(store, { recursive: true, force: true });
});

afterEach(async () => {
  for (const database of ['back', 'source']) await postgres.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
});

async function backUpOf(sql: string): Promise<SetSummary> {
  await postgres.query('CREATE DATABASE source TEMPLATE template0');
  await postgres.query(sql, { database: 'source' });
  const task = backupTask(postgres, filesystemStore(store), { dump: { database: 'source' } });
  return backUp({ task, toolsDir: postgres.bin, secrets: secretsOf(postgres) });
}

async function restore(
  set: SetSummary,
  as: Readonly<Record<string, string>> = {},
  options: NonNullable<AgentRun['options']> = {},
): Promise<Report> {
  const task = restoreTask(postgres, filesystemStore(store), set);
  return (await runTask({ task, toolsDir: postgres.bin, secrets: secretsOf(postgres, as), options })).report;
}

/** The words that tell this end from one that left the target empty. */
function expectFullAndNotCompared(report: Report, reason: string): void {
  expect(report).toMatchObject({
    outcome: 'failed',
    reason,
    message: expect.stringMatching(/^restored, but not compared: ./),
    hint: expect.stringMatching(/ The database is full: .*new empty one.*compare/),
  });
}

const rowsBack = () => postgres.query('SELECT count(*)::int AS count FROM t', { database: 'back' });

// The settings of the comparison are those under which this waits: neither the dump nor pg_restore has them.
const heldWhileCompared = `
  CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2), (3);
  CREATE FUNCTION hold(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN
      IF current_setting('enable_indexscan') = 'off' THEN PERFORM pg_sleep(600); END IF;
      RETURN id;
    END $$;
  CREATE UNIQUE INDEX held ON t (hold(id))`;

const comparing = `SELECT pid FROM pg_stat_activity WHERE datname = 'back' AND query LIKE '%AS twice'`;

async function onceComparing(): Promise<void> {
  await until('the rows are compared', async () => (await postgres.query(comparing)).length > 0);
}

describe('a restore that ends after its commit', () => {
  it('says that the data is in and was not compared when the connection is lost', async () => {
    const set = await backUpOf(heldWhileCompared);
    await postgres.query('CREATE DATABASE back TEMPLATE template0');
    const running = restore(set);
    await onceComparing();
    await postgres.query(`SELECT pg_terminate_backend(pid) FROM (${comparing}) AS found`);
    expectFullAndNotCompared(await running, 'ServerLost');
    expect(await rowsBack()).toEqual([{ count: 3 }]);
  });

  it('says so when it is stopped', async () => {
    const set = await backUpOf(heldWhileCompared);
    await postgres.query('CREATE DATABASE back TEMPLATE template0');
    const stop = new AbortController();
    const running = restore(set, {}, { signal: stop.signal });
    await onceComparing();
    stop.abort();
    expectFullAndNotCompared(await running, 'Stopped');
    expect(await rowsBack()).toEqual([{ count: 3 }]);
  });

  it('says nothing of the kind when the comparison found a difference', async () => {
    // What a materialized view shows is made anew by a restore: here that takes a row away.
    const set = await backUpOf(`
      CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2), (3), (4);
      CREATE FUNCTION purge() RETURNS bigint LANGUAGE sql AS
        'DELETE FROM public.t WHERE id = (SELECT max(id) FROM public.t); SELECT count(*) FROM public.t';
      CREATE MATERIALIZED VIEW purged AS SELECT purge()`);
    await postgres.query('CREATE DATABASE back TEMPLATE template0');
    const report = await restore(set);
    expect(report).toMatchObject({ reason: 'CheckFailed', message: expect.stringContaining('has 2 rows') });
    expect(JSON.stringify(report)).not.toContain('not compared');
  });
});
