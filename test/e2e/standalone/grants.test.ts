import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { RestoreRequestStatus } from '../../../src/api/restore-request.ts';
import { eventually } from '../../harness/eventually.ts';
import { comparePortraits, drawPortrait } from '../../harness/portrait.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';
import { backupRole, makeShop } from '../../harness/shop.ts';
import { Standalone } from '../../harness/standalone.ts';
import { policyYaml, restoreYaml, runYaml, setShopSecrets } from '../../harness/standalone-shop.ts';

let server: Postgres;
let home: Standalone;
let store: string;

const vault = 'vault';
const inVault = (yaml: string): string => yaml.replace(/metadata: \{ /, `metadata: { namespace: ${vault}, `);
const grantYaml = inVault(`---
apiVersion: backstay.dev/v1alpha1
kind: BackupGrant
metadata: { name: to-default }
spec: { from: [{ namespace: default }], policies: [shop] }
`);
const requestYaml = (name: string): string =>
  restoreYaml(server, name, 'whole', name).replace('source: { ', `source: { namespace: ${vault}, `);
const statusOf = async (name: string) => (await home.get<RestoreRequestStatus>('RestoreRequest', name))?.status;

beforeAll(async () => {
  store = mkdtempSync(join(tmpdir(), 'backstay-store-'));
  server = await startPostgres();
  await makeShop(server);
  for (const name of ['staging', 'taken_back']) await server.query(`CREATE DATABASE ${name} TEMPLATE template0`);
  home = new Standalone(server.bin);
  setShopSecrets(home, server);
  const secret = join(home.home, 'secrets', vault, 'shop-backup');
  mkdirSync(secret, { recursive: true, mode: 0o700 });
  for (const [key, value] of Object.entries(backupRole)) writeFileSync(join(secret, key), value, { mode: 0o600 });
  await home.put(inVault(policyYaml(server, store)) + inVault(runYaml('whole')));
  await home.start();
  const objects = await home.objects();
  await eventually(async () => {
    const run = await objects.get('BackupRun', { namespace: vault, name: 'whole' });
    expect(run?.status).toMatchObject({ phase: 'Succeeded' });
  }, 60_000);
});

afterAll(async () => {
  await home?.stop();
  await server?.stop();
  rmSync(store, { recursive: true, force: true });
});

describe('a restore from another namespace', () => {
  it('waits for a grant, begins when it comes, and brings everything back', async () => {
    await home.put(requestYaml('staging'));
    await eventually(async () => {
      const ready = (await statusOf('staging'))?.conditions?.find(({ type }) => type === 'Ready');
      expect(ready).toMatchObject({ status: 'False', reason: 'ReferenceNotGranted' });
    });
    expect(home.taskProcesses()).toEqual([]);
    await home.apply(grantYaml);
    const { status } = await home.waitForEnd('RestoreRequest', 'staging');
    expect(status).toMatchObject({ phase: 'Succeeded', source: { namespace: vault, run: 'whole' } });
    const before = await drawPortrait(server.connection('shop'));
    expect(comparePortraits(before, await drawPortrait(server.connection('staging')))).toEqual([]);
  });

  it('is stopped in the middle when the grant is taken back, and the target is as empty as before', async () => {
    const database = 'taken_back';
    const client = new pg.Client(server.connection(database));
    await client.connect();
    try {
      // pg_restore waits here, in the middle of its transaction.
      await client.query('BEGIN');
      await client.query('LOCK TABLE pg_catalog.pg_class IN SHARE MODE');
      await home.put(grantYaml + requestYaml(database).replace(`name: ${database} }`, 'name: taken-back }'));
      await eventually(async () => {
        const waiting = await server.query(
          `SELECT 1 FROM pg_stat_activity WHERE datname = '${database}' AND wait_event_type = 'Lock'`,
        );
        expect(waiting).toHaveLength(1);
      }, 60_000);
      await (await home.objects()).delete('BackupGrant', { namespace: vault, name: 'to-default' });
      const { status } = await home.waitForEnd('RestoreRequest', 'taken-back');
      expect(status).toMatchObject({ phase: 'Failed', failure: { reason: 'ReferenceNotGranted' } });
    } finally {
      await client.end();
    }
    await home.waitForRest();
    await eventually(async () => {
      const others = `SELECT 1 FROM pg_stat_activity WHERE datname = '${database}' AND pid <> pg_backend_pid()`;
      expect(await server.query(others, { database })).toEqual([]);
    });
    const tables = `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace`;
    expect(await server.query(tables, { database })).toEqual([]);
  });
});
