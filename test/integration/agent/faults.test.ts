import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Report, SetSummary } from '../../../src/contract/report.ts';
import type { BackupTask, RestoreTask } from '../../../src/contract/task.ts';
import { generateIdentity, type Identity } from '../../../src/stream/identity.ts';
import {
  backUp,
  backupTask,
  filesystemStore,
  restoreTask,
  runTask,
  secretsOf,
  serverOf,
  storeDirectory,
} from '../../harness/agent-task.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';
import { until } from '../../harness/tool-container.ts';

let postgres: Postgres;
let identity: Identity;
let store: string;
const stores: string[] = [];

beforeAll(async () => {
  postgres = await startPostgres();
  identity = await generateIdentity();
  await postgres.query('CREATE DATABASE shop');
  // Some 40 MB that do not compress: enough that a dump is still running when something happens to it.
  await postgres.query(
    `CREATE TABLE blobs (id int PRIMARY KEY, body text);
     INSERT INTO blobs SELECT n, (SELECT string_agg(md5(n::text || m), '') FROM generate_series(1, 100) m) FROM generate_series(1, 12000) n`,
    { database: 'shop' },
  );
});

afterAll(async () => {
  await postgres.stop();
  for (const path of stores) rmSync(path, { recursive: true, force: true });
});

beforeEach(async () => {
  store = storeDirectory();
  stores.push(store);
  await postgres.query('DROP DATABASE IF EXISTS back');
  await postgres.query('CREATE DATABASE back TEMPLATE template0');
});

const secrets = (change: Readonly<Record<string, string>> = {}): Record<string, string> =>
  secretsOf(postgres, { 'key/identity': identity.reveal(), ...change });

async function runBackup(change: Partial<BackupTask> = {}, withSecrets = secrets()): Promise<Report> {
  const task = backupTask(postgres, filesystemStore(store), change);
  return (await runTask({ task, toolsDir: postgres.bin, secrets: withSecrets })).report;
}

function goodSet(): Promise<SetSummary> {
  const task = backupTask(postgres, filesystemStore(store), { recipients: [identity.recipient] });
  return backUp({ task, toolsDir: postgres.bin, secrets: secrets(), options: { objectBytes: 5_000_000 } });
}

async function runRestore(
  set: SetSummary,
  change: Partial<RestoreTask> = {},
  withSecrets = secrets(),
): Promise<Report> {
  const task = restoreTask(postgres, filesystemStore(store), set, {
    identity: { mount: 'key', key: 'identity' },
    ...change,
  });
  return (await runTask({ task, toolsDir: postgres.bin, secrets: withSecrets })).report;
}

function failure(report: Report): { reason: string; message: string; hint: string } {
  if (report.outcome !== 'failed') throw new Error(`expected a failure: ${JSON.stringify(report)}`);
  expect(report.hint).not.toBe('');
  expect(JSON.stringify(report)).not.toContain(postgres.password);
  return report;
}

const filesBelow = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1));

/** No manifest and nothing of an attempt. */
function expectNothingHalfWritten(): void {
  expect(filesBelow(store).filter((file) => file.includes('/sets/'))).toEqual([]);
}

async function expectEmptyTarget(): Promise<void> {
  const rows = await postgres.query(`SELECT relname FROM pg_class WHERE oid >= 16384`, { database: 'back' });
  expect(rows).toEqual([]);
}

/** Does `act` as soon as pg_dump has sent something to the store. */
async function onceDumping(act: () => Promise<unknown>): Promise<void> {
  await until('pg_dump reads the table', async () => {
    const rows = await postgres.query(
      `SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'backstay%' AND query LIKE 'COPY%'`,
    );
    return rows.length > 0;
  });
  await act();
}

describe('a backup that cannot be made', () => {
  it('names the role whose password was refused', async () => {
    const found = failure(await runBackup({}, secrets({ 'db/password': 'wrong' })));
    expect(found.reason).toBe('AuthenticationFailed');
    expect(found.message).toContain('role "postgres"');
    expect(filesBelow(store)).toEqual([]);
  });

  it('names the host that does not exist', async () => {
    const found = failure(await runBackup({ server: serverOf(postgres, { host: 'no-such-host.invalid' }) }));
    expect(found.reason).toBe('ServerUnreachable');
    expect(found.message).toContain('no-such-host.invalid');
    expect(filesBelow(store)).toEqual([]);
  });

  it('names the database that does not exist', async () => {
    const found = failure(await runBackup({ dump: { database: 'nowhere' } }));
    expect(found.reason).toBe('DatabaseMissing');
    expect(found.message).toContain('nowhere');
    expectNothingHalfWritten();
  });

  it('says that the store is not there', async () => {
    const task = backupTask(postgres, filesystemStore(join(store, 'not-mounted')));
    const { report } = await runTask({ task, toolsDir: postgres.bin, secrets: secrets() });
    expect(failure(report).reason).toBe('StoreMissing');
  });

  it('is ServerLost when its backend is killed in mid dump, and leaves nothing', async () => {
    const running = runBackup({ compression: { algorithm: 'Gzip', level: 9 } });
    await onceDumping(() =>
      postgres.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'`),
    );
    expect(failure(await running).reason).toBe('ServerLost');
    expectNothingHalfWritten();
  });

  it('is ServerLost when the server goes down in mid dump, and leaves nothing', async () => {
    const running = runBackup({ compression: { algorithm: 'Gzip', level: 9 } });
    await onceDumping(() => postgres.crash());
    const report = await running;
    await postgres.start();
    expect(failure(report).reason).toBe('ServerLost');
    expectNothingHalfWritten();
  });

  it('is DeadlineExceeded when its time is over, and leaves nothing', async () => {
    const found = failure(
      await runBackup({ deadlineMs: Date.now() + 300, compression: { algorithm: 'Gzip', level: 9 } }),
    );
    expect(found.reason).toBe('DeadlineExceeded');
    expectNothingHalfWritten();
  });

  it('is ReadOnly for another home with the same YAML', async () => {
    await goodSet();
    const before = filesBelow(store);
    const other = { clusterId: 'home-2', namespace: 'default', policy: 'shop' };
    const found = failure(await runBackup({ owner: other }));
    expect(found.reason).toBe('ReadOnly');
    expect(found.message).toContain('home-1');
    expect(filesBelow(store)).toEqual(before);
    expect((await runBackup({ owner: other, takeover: true })).outcome).toBe('backed-up');
    expect(failure(await runBackup()).reason).toBe('ReadOnly');
  });

  it('makes no second backup of a run that has one', async () => {
    const runUid = randomUUID();
    const first = await runBackup({ runUid });
    const before = filesBelow(store);
    expect(await runBackup({ runUid })).toEqual(first);
    expect(filesBelow(store)).toEqual(before);
  });
});

describe('a store without space', () => {
  // A file system of its own needs root; without it the drivers' own tests still meet the error.
  const asRoot = process.getuid?.() === 0 ? it : it.skip;

  asRoot('is StoreFull, and nothing half-written takes what is left', async () => {
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', store]);
    try {
      const found = failure(await runBackup({ compression: { algorithm: 'None', level: 0 } }));
      expect(found.reason).toBe('StoreFull');
      expectNothingHalfWritten();
    } finally {
      spawnSync('umount', ['-l', store]);
    }
  });
});

describe('two attempts of one run at once', () => {
  it('come to one manifest, and both report it', async () => {
    const runUid = randomUUID();
    const [one, two] = await Promise.all([runBackup({ runUid }), runBackup({ runUid })]);
    expect(one.outcome).toBe('backed-up');
    expect(two).toEqual(one);
    expect(filesBelow(store).filter((file) => file.endsWith('manifest.json')).length).toBe(1);
  });
});

describe('a restore that cannot be made touches nothing', () => {
  it('without an identity, and with the wrong one', async () => {
    const set = await goodSet();
    const { identity: _left, ...bare } = restoreTask(postgres, filesystemStore(store), set, {
      identity: { mount: 'key', key: 'identity' },
    });
    const { report } = await runTask({ task: bare, toolsDir: postgres.bin, secrets: secrets() });
    expect(failure(report).reason).toBe('IdentityNotHere');
    const wrong = await generateIdentity();
    const found = failure(await runRestore(set, {}, secrets({ 'key/identity': wrong.reveal() })));
    expect(found.reason).toBe('WrongKey');
    expect(JSON.stringify(found)).not.toContain(wrong.reveal());
    await expectEmptyTarget();
  });

  it('when the target is not empty', async () => {
    const set = await goodSet();
    await postgres.query('CREATE TABLE precious (id int); INSERT INTO precious VALUES (1)', { database: 'back' });
    const found = failure(await runRestore(set));
    expect(found.reason).toBe('TargetNotEmpty');
    expect(found.message).toContain('precious');
    expect(await postgres.query('SELECT id FROM precious', { database: 'back' })).toEqual([{ id: 1 }]);
  });

  it('when the database does not exist, and says how to create it', async () => {
    const set = await goodSet();
    const found = failure(await runRestore(set, { database: 'nowhere' }));
    expect(found.reason).toBe('DatabaseMissing');
    expect(found.hint).toContain('CREATE DATABASE "nowhere"');
  });

  it('when its connection is killed in mid restore', async () => {
    const set = await goodSet();
    const running = runRestore(set);
    await until('pg_restore writes', async () => {
      const rows = await postgres.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'back' AND query LIKE 'COPY%'`,
      );
      return rows.length > 0;
    });
    expect(failure(await running).reason).toBe('ServerLost');
    await expectEmptyTarget();
  });
});
