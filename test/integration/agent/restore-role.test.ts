import { readFileSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Report, SetSummary } from '../../../src/contract/report.ts';
import {
  backUp,
  backupTask,
  filesystemStore,
  restoreTask,
  runTask,
  secretsOf,
  storeDirectory,
} from '../../harness/agent-task.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';

const page = readFileSync(new URL('../../../docs/postgres.md', import.meta.url), 'utf8');
const chapter = /^## The role that restores\n(.*?)^## /ms.exec(page)?.[1] ?? '';
const sqlWith = (word: string): string => {
  const [found, ...more] = [...chapter.matchAll(/^```sql\n(.*?)^```$/gms)].filter(([, text]) => text?.includes(word));
  if (found === undefined || more.length > 0) throw new Error(`the chapter has not exactly one block with ${word}`);
  return found[1]!;
};

let postgres: Postgres;
let store: string;
/** Of tables that the role `shop_owner` owns, one of them with row-level security that binds even its owner. */
let set: SetSummary;

beforeAll(async () => {
  postgres = await startPostgres();
  store = storeDirectory();
  await postgres.query('CREATE ROLE shop_owner');
  await postgres.query('CREATE DATABASE shop OWNER shop_owner');
  await postgres.query(
    `SET ROLE shop_owner;
     CREATE TABLE plain (id int PRIMARY KEY); INSERT INTO plain VALUES (1), (2);
     CREATE TABLE hidden (id int REFERENCES plain); INSERT INTO hidden VALUES (1), (2);
     ALTER TABLE hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
     CREATE POLICY first ON hidden USING (id = 1)`,
    { database: 'shop' },
  );
  await postgres.query(sqlWith('CREATE DATABASE').replace(/ OWNER.*/, ';'));
  await postgres.query(sqlWith('CREATE ROLE'));
  const task = backupTask(postgres, filesystemStore(store));
  set = await backUp({ task, toolsDir: postgres.bin, secrets: secretsOf(postgres) });
});

afterAll(async () => {
  await postgres?.stop();
  rmSync(store, { recursive: true, force: true });
});

beforeEach(async () => {
  await postgres.query('DROP DATABASE IF EXISTS shop_restored');
  await postgres.query(sqlWith('CREATE DATABASE'));
});

async function restoreAsDocumented(): Promise<Report> {
  const task = restoreTask(postgres, filesystemStore(store), set, { database: 'shop_restored' });
  const secrets = secretsOf(postgres, { 'db/username': 'backstay_admin', 'db/password': '...' });
  return (await runTask({ task, toolsDir: postgres.bin, secrets })).report;
}

describe('the role that restores, as docs/postgres.md makes it', () => {
  it('is told before anything is touched that it may not read rows that row-level security hides', async () => {
    expect(await restoreAsDocumented()).toMatchObject({
      outcome: 'failed',
      reason: 'PrivilegeMissing',
      message: expect.stringContaining('public.hidden'),
      hint: expect.stringContaining('ALTER ROLE "backstay_admin" BYPASSRLS;'),
    });
    const tables = await postgres.query('SELECT relname FROM pg_class WHERE oid >= 16384', {
      database: 'shop_restored',
    });
    expect(tables).toEqual([]);
  });

  it('restores and compares everything when it has what the page says of row-level security', async () => {
    const [, statement = ''] = /^\| forced row-level security .*`(ALTER ROLE .*;)`/m.exec(chapter) ?? [];
    await postgres.query(statement);
    expect(await restoreAsDocumented()).toMatchObject({
      outcome: 'restored',
      restore: { tableCount: 2, rowCount: 4, foreignKeyCount: 1 },
    });
    const owners = await postgres.query(
      `SELECT DISTINCT tableowner AS owner FROM pg_tables WHERE schemaname = 'public'`,
      {
        database: 'shop_restored',
      },
    );
    expect(owners).toEqual([{ owner: 'shop_owner' }]);
  });
});
