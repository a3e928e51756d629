import { spawnSync } from 'node:child_process';
import {
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import type { SetSummary } from '../../../src/contract/report.ts';
import type { BackupTask, TaskStore } from '../../../src/contract/task.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { generateIdentity, type Identity } from '../../../src/stream/identity.ts';
import { backUp, backupTask, filesystemStore, s3Secrets, s3Store, secretsOf } from '../../harness/agent-task.ts';
import { comparePortraits, drawPortrait, type Portrait } from '../../harness/portrait.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';
import { makeShop } from '../../harness/shop.ts';
import { until } from '../../harness/tool-container.ts';
import { startS3Server } from '../../harness/versitygw.ts';

const section = readSection('../../../docs/format.md', '## Restore a backup by hand');
const commands = /^```sh\n(.*?)^```$/ms.exec(section)?.[1] ?? '';

let postgres: Postgres;
let identity: Identity;
let dir: string;
let before: Portrait;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'backstay-by-hand-'));
  postgres = await startPostgres();
  identity = await generateIdentity();
  writeFileSync(join(dir, 'identity'), `${identity.reveal()}\n`, { mode: 0o600 });
  // Not in the server's default locale: only the dump knows in which.
  await makeShop({
    query: (sql, as) => postgres.query(as === undefined ? `${sql} TEMPLATE template0 LC_CTYPE 'C'` : sql, as),
  });
  // Large enough to be cut into several objects, which the commands have to join.
  await postgres.query(
    `CREATE TABLE ballast AS SELECT n, (SELECT string_agg(md5(n::text || m), '') FROM generate_series(1, 100) m) AS body
     FROM generate_series(1, 3000) n`,
    { database: 'shop' },
  );
  before = await portraitOf('shop');
});

afterAll(async () => {
  await postgres?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const portraitOf = (database: string): Promise<Portrait> => drawPortrait(postgres.connection(database));

function newStore(): string {
  return mkdtempSync(join(dir, 'store-'));
}

async function makeBackup(store: TaskStore, change: Partial<BackupTask> = {}): Promise<SetSummary> {
  const set = await backUp({
    task: backupTask(postgres, store, { recipients: [identity.recipient], ...change }),
    toolsDir: postgres.bin,
    secrets: { ...secretsOf(postgres), ...s3Secrets },
    options: { objectBytes: 1_000_000 },
  });
  expect(set.objectCount).toBeGreaterThan(2);
  return set;
}

/** Runs commands of the document as somebody would who has nothing but the store, the identity and the tools. */
function runByHand(text: string, store: string, database: string): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync('sh', ['-eu'], {
    input: text,
    encoding: 'utf8',
    env: {
      PATH: `${postgres.bin}:/usr/local/bin:/usr/bin:/bin`,
      STORE: store,
      IDENTITY: join(dir, 'identity'),
      DATABASE: database,
      DUMP: join(dir, `${database}.dump`),
      PGHOST: postgres.host,
      PGPORT: String(postgres.port),
      PGUSER: postgres.username,
      PGPASSWORD: postgres.password,
    },
  });
  return { status, said: stdout + stderr };
}

async function databases(): Promise<unknown[]> {
  return (await postgres.query('SELECT datname FROM pg_database')).map((row) => row['datname']);
}

describe('the commands of docs/format.md', () => {
  it('bring back the newest backup of a file store, exactly, and say what it held', async () => {
    const store = newStore();
    await postgres.query('CREATE TABLE later ()', { database: 'shop' });
    const older = await makeBackup(filesystemStore(store));
    await postgres.query('DROP TABLE later', { database: 'shop' });
    // Times in a manifest are whole seconds.
    await until('the next second', () => Date.now() >= Date.parse(older.consistentAt) + 1000);
    const set = await makeBackup(filesystemStore(store));
    // What a killed attempt leaves is no backup.
    const dead = join(store, set.lineage, 'sets', '00000000-dead', '0123456789abcdef');
    mkdirSync(dead, { recursive: true });
    writeFileSync(join(dead, 'dump-00001.pgdump.zst.age'), 'half');

    const { status, said } = runByHand(commands, store, 'by_hand');
    expect({ status, said }).toMatchObject({ status: 0 });
    expect(said).toContain(older.consistentAt);
    expect(said.match(/: OK$/gm)).toHaveLength(set.objectCount);
    expect(said).toContain('"table":"Orders","rows":20000');
    expect(comparePortraits(before, await portraitOf('by_hand'))).toEqual([]);
    expect(await postgres.query("SELECT datctype FROM pg_database WHERE datname = 'by_hand'")).toEqual([
      { datctype: 'C' },
    ]);
    // The dump lies in clear: for its maker only.
    expect(statSync(join(dir, 'by_hand.dump')).mode & 0o777).toBe(0o600);
  });

  it('bring back a backup that was fetched from S3', async () => {
    const server = await startS3Server();
    try {
      server.makeBucket('bucket');
      await makeBackup(s3Store(server, { prefix: 'prod/shop' }));
      const fetched = newStore();
      const store = openStore(server.config('bucket', { prefix: 'prod/shop' }), { clock: systemClock });
      for await (const { key } of store.list('')) {
        mkdirSync(dirname(join(fetched, key)), { recursive: true });
        await pipeline(store.read(key), createWriteStream(join(fetched, key)));
      }
      await store.close();
      expect(runByHand(commands, fetched, 'from_s3')).toMatchObject({ status: 0 });
      expect(comparePortraits(before, await portraitOf('from_s3'))).toEqual([]);
    } finally {
      await server.stop();
    }
  });

  it.each([
    { packing: 'gzip, encrypted', algorithm: 'Gzip', level: 6, encrypted: true, rows: ['with `.gz`'] },
    { packing: 'zstd, in clear', algorithm: 'Zstd', level: 3, encrypted: false, rows: ['without `.age`'] },
    {
      packing: 'neither compressed nor encrypted',
      algorithm: 'None',
      level: 0,
      encrypted: false,
      rows: ['without `.age`', 'with neither'],
    },
  ] as const)('bring back another packing as the table says: $packing', async (packing) => {
    const { algorithm, level, encrypted, rows } = packing;
    const store = newStore();
    const recipients = encrypted ? [identity.recipient] : [];
    await makeBackup(filesystemStore(store), { compression: { algorithm, level }, recipients });
    const name = `packed_${algorithm.toLowerCase()}`;
    const { status, said } = runByHand(rewritten(commands, rows), store, name);
    expect({ status, said }).toMatchObject({ status: 0 });
    expect(said).toContain('"table":"Orders","rows":20000');
    expect(comparePortraits(before, await portraitOf(name))).toEqual([]);
  });

  it('stop at a damaged object, before a database is made', async () => {
    const store = newStore();
    const set = await makeBackup(filesystemStore(store));
    const object = join(store, dirname(set.manifestKey), set.attempt, 'dump-00002.pgdump.zst.age');
    truncateSync(object, statSync(object).size - 1);
    const { status, said } = runByHand(commands, store, 'damaged');
    expect(status).not.toBe(0);
    expect(said).toContain('dump-00002.pgdump.zst.age: FAILED');
    expect(await databases()).not.toContain('damaged');
  });

  it('stop at the wrong identity, before a database is made', async () => {
    const store = newStore();
    const other = await generateIdentity();
    await makeBackup(filesystemStore(store), { recipients: [other.recipient] });
    expect(runByHand(commands, store, 'locked').status).not.toBe(0);
    expect(await databases()).not.toContain('locked');
  });
});

function readSection(path: string, heading: string): string {
  const text = readFileSync(join(import.meta.dirname, path), 'utf8');
  const [, after = ''] = text.split(`${heading}\n`);
  return after.split(/^## /m)[0] ?? '';
}

/** Replaces in the commands what the document's table says for the packings whose rows begin so. */
function rewritten(text: string, packings: readonly string[]): string {
  let result = text;
  let applies = false;
  for (const line of section.split('\n').filter((each) => each.startsWith('| '))) {
    const [names = '', instead = '', write = ''] = line
      .split('|')
      .slice(1)
      .map((cell) => cell.trim());
    if (names !== '') applies = packings.some((packing) => names.startsWith(packing));
    const [from, to] = [instead, write].map((cell) => (cell === 'nothing' ? '' : cell.replaceAll('`', '')));
    if (!applies || !instead.startsWith('`')) continue;
    expect(result).toContain(from);
    result = result.replaceAll(from!, to!);
  }
  expect(result).not.toBe(text);
  return result;
}
