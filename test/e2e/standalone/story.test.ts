import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateIdentity } from '../../../src/stream/identity.ts';
import { comparePortraits, drawPortrait } from '../../harness/portrait.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';
import { backupRole, makeShop } from '../../harness/shop.ts';
import { Standalone } from '../../harness/standalone.ts';
import { manifestsIn, policyYaml, restoreYaml, runYaml, setShopSecrets } from '../../harness/standalone-shop.ts';

let server: Postgres;
const places: string[] = [];
const homes: Standalone[] = [];

beforeAll(async () => {
  server = await startPostgres();
  await makeShop(server);
});

afterAll(async () => {
  for (const home of homes) await home.stop();
  for (const place of places) rmSync(place, { recursive: true, force: true });
  await server?.stop();
});

function storeDirectory(): string {
  const place = mkdtempSync(join(tmpdir(), 'backstay-store-'));
  places.push(place);
  const directory = join(place, 'shop');
  mkdirSync(directory);
  return directory;
}

async function newHome(): Promise<Standalone> {
  const home = new Standalone(server.bin);
  homes.push(home);
  setShopSecrets(home, server);
  await home.start();
  return home;
}

const policy = (store: string, more = ''): string => policyYaml(server, store, more);
const restore = (name: string, run: string, database: string): string => restoreYaml(server, name, run, database);

describe('on one machine', () => {
  it.each([
    ['zstd and age', 'Zstd', true],
    ['gzip in clear', 'Gzip', false],
    ['neither', 'None', false],
  ])('what is backed up with %s comes back equal in every row and definition', async (_title, algorithm, encrypted) => {
    const store = storeDirectory();
    const home = await newHome();
    const identity = await generateIdentity();
    home.setSecret('shop-identity', { identity: identity.reveal() });
    const keys = `  encryption: { age: { recipients: [${identity.recipient}], identity: { secretName: shop-identity } } }\n`;
    await home.apply(policy(store, `  compression: { algorithm: ${algorithm} }\n${encrypted ? keys : ''}`));
    await home.apply(runYaml('by-hand'));
    const backup = await home.waitForEnd('BackupRun', 'by-hand');
    expect(backup.status.failure).toBeUndefined();
    const database = `back_${algorithm.toLowerCase()}`;
    await server.query(`CREATE DATABASE ${database}`);
    await home.apply(restore('back', 'by-hand', database));
    const restored = await home.waitForEnd('RestoreRequest', 'back');
    expect(restored.status.failure).toBeUndefined();
    const before = await drawPortrait(server.connection('shop'));
    expect(comparePortraits(before, await drawPortrait(server.connection(database)))).toEqual([]);
    expect(home.taskProcesses()).toEqual([]);
  });

  it('a wrong password is said as such, with no manifest and nothing of the secret', async () => {
    const store = storeDirectory();
    const home = await newHome();
    home.setSecret('shop-backup', { ...backupRole, password: 'not-the-password' });
    await home.apply(policy(store));
    await home.apply(runYaml('refused'));
    const { status } = await home.waitForEnd('BackupRun', 'refused');
    expect(status).toMatchObject({ phase: 'Failed', failure: { reason: 'AuthenticationFailed' } });
    expect(manifestsIn(store)).toEqual([]);
    expect(home.log + JSON.stringify(status)).not.toContain('not-the-password');
  });

  it('a restore into a database that holds something is refused and touches nothing', async () => {
    const store = storeDirectory();
    const home = await newHome();
    await home.apply(policy(store));
    await home.apply(runYaml('whole'));
    await home.waitForEnd('BackupRun', 'whole');
    await server.query('CREATE DATABASE taken');
    await server.query('CREATE TABLE mine AS SELECT 42 AS n', { database: 'taken' });
    await home.apply(restore('refused', 'whole', 'taken'));
    const { status } = await home.waitForEnd('RestoreRequest', 'refused');
    expect(status).toMatchObject({ phase: 'Failed', failure: { reason: 'TargetNotEmpty' } });
    expect(await server.query('SELECT n FROM mine', { database: 'taken' })).toEqual([{ n: 42 }]);
  });

  it('the same YAML in a second home with the same store is ReadOnly until it takes over', async () => {
    const store = storeDirectory();
    const first = await newHome();
    await first.apply(policy(store));
    await first.apply(runYaml('mine'));
    expect((await first.waitForEnd('BackupRun', 'mine')).status.phase).toBe('Succeeded');
    const second = await newHome();
    await second.apply(policy(store));
    await second.apply(runYaml('theirs'));
    expect((await second.waitForEnd('BackupRun', 'theirs')).status.failure?.reason).toBe('ReadOnly');
    expect(manifestsIn(store)).toHaveLength(1);
    await second.apply(runYaml('taken-over', ', takeover: true'));
    expect((await second.waitForEnd('BackupRun', 'taken-over')).status.phase).toBe('Succeeded');
  });
});
