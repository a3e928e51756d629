import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { generateIdentity } from '../../../src/stream/identity.ts';
import {
  backUp,
  backupTask,
  filesystemStore,
  restoreTask,
  runTask,
  secretsOf,
  storeDirectory,
} from '../../harness/agent-task.ts';
import { comparePortraits, drawPortrait } from '../../harness/portrait.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';

const shopSql = readFileSync(join(import.meta.dirname, '../../fixtures/shop.sql'), 'utf8');
let postgres: Postgres;
let store: string;

beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.query('CREATE DATABASE shop');
  await postgres.query(shopSql, { database: 'shop' });
  store = storeDirectory();
});

afterAll(async () => {
  await postgres.stop();
  rmSync(store, { recursive: true, force: true });
});

afterEach(async () => {
  await postgres.query('DROP DATABASE IF EXISTS back');
});

describe('a backup and its restore', () => {
  it.each(['Zstd', 'Gzip', 'None'] as const)(
    'brings back every row, key, routine and trigger (%s, encrypted)',
    async (algorithm) => {
      const identity = await generateIdentity();
      const secrets = secretsOf(postgres, { 'key/identity': `# drill key\n${identity.reveal()}\n` });
      const task = backupTask(postgres, filesystemStore(store), {
        recipients: [identity.recipient],
        compression: { algorithm, level: algorithm === 'None' ? 0 : 3 },
      });
      // 100 kB, so that the stream is cut into several objects.
      const set = await backUp({ task, toolsDir: postgres.bin, secrets, options: { objectBytes: 100_000 } });
      expect(set).toMatchObject({
        tableCount: 2,
        rowCount: 20_500,
        serverVersion: '18.6',
        toolVersion: 'pg_dump 18.6',
      });

      await postgres.query('CREATE DATABASE back TEMPLATE template0');
      const { report, exitCode } = await runTask({
        task: restoreTask(postgres, filesystemStore(store), set, { identity: { mount: 'key', key: 'identity' } }),
        toolsDir: postgres.bin,
        secrets,
      });
      expect(report).toMatchObject({
        outcome: 'restored',
        restore: { tableCount: 2, rowCount: 20_500, foreignKeyCount: 1, bytes: set.plainBytes },
      });
      expect(exitCode).toBe(0);
      const before = await drawPortrait(postgres.connection('shop'));
      expect(comparePortraits(before, await drawPortrait(postgres.connection('back')))).toEqual([]);
    },
  );

  it('cuts a stream into objects of the size asked for', async () => {
    const task = backupTask(postgres, filesystemStore(store), { compression: { algorithm: 'None', level: 0 } });
    const set = await backUp({
      task,
      toolsDir: postgres.bin,
      secrets: secretsOf(postgres),
      options: { objectBytes: 500_000 },
    });
    const folder = join(store, set.manifestKey, '..', set.attempt);
    expect(readdirSync(folder).length).toBe(set.objectCount + 1);
  });

  it('says nothing secret in report, log, manifest or store', async () => {
    const task = backupTask(postgres, filesystemStore(store));
    const { report, log } = await runTask({ task, toolsDir: postgres.bin, secrets: secretsOf(postgres) });
    expect(log).toContain('backed-up');
    for (const text of [log, JSON.stringify(report)]) expect(text).not.toContain(postgres.password);
  });
});
