import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { backupRunSteps } from '../../../src/operator/backup-run/steps.ts';
import { restoreRequestSteps } from '../../../src/operator/restore-request/steps.ts';
import { comparePortraits, drawPortrait, type Portrait } from '../../harness/portrait.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';
import { makeShop } from '../../harness/shop.ts';
import { Standalone } from '../../harness/standalone.ts';
import { manifestsIn, policyYaml, restoreYaml, runYaml, setShopSecrets } from '../../harness/standalone-shop.ts';

let server: Postgres;
let place: string;
let original: Portrait;
/** At rest, with a backup that succeeded. */
let backedUp: Standalone;
const homes: Standalone[] = [];

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'backstay-store-'));
  server = await startPostgres();
  await makeShop(server);
  original = await portraitOf('shop');
  backedUp = newHome();
  await backedUp.put(policyYaml(server, newStore('backed-up')) + runYaml('whole'));
  await backedUp.start();
  expect((await backedUp.waitForEnd('BackupRun', 'whole')).status.phase).toBe('Succeeded');
  await backedUp.kill('SIGTERM');
});

afterAll(async () => {
  for (const home of homes) await home.stop();
  await server?.stop();
  rmSync(place, { recursive: true, force: true });
});

function newHome(options: { copyOf?: string } = {}): Standalone {
  const home = new Standalone(server.bin, options);
  homes.push(home);
  setShopSecrets(home, server);
  return home;
}

function newStore(name: string): string {
  const store = join(place, name);
  mkdirSync(store);
  return store;
}

const portraitOf = (database: string): Promise<Portrait> => drawPortrait(server.connection(database));

const atStep = (step: string, object: string): string[] => [`"step":"${step}","object":"default/${object}"`];

describe('standalone killed with -9', () => {
  it.concurrent.each(backupRunSteps.map(({ name }) => name))(
    'at the step %s of a run and started again ends with one manifest',
    async (step) => {
      const store = newStore(`run-${step}`);
      const home = newHome();
      await home.put(policyYaml(server, store) + runYaml('killed'));
      home.stops.set(atStep(step, 'killed'), 'die');
      await home.startAndDie();
      await home.start();
      expect((await home.waitForEnd('BackupRun', 'killed')).status).toMatchObject({
        phase: 'Succeeded',
        attempts: [{ number: 1, outcome: 'Succeeded' }],
      });
      expect(manifestsIn(store)).toHaveLength(1);
      await home.waitForRest();
      await home.stop();
    },
  );

  it.concurrent.each(restoreRequestSteps.map(({ name }) => name))(
    'at the step %s of a request and started again ends with the original in every row',
    async (step) => {
      const home = newHome({ copyOf: backedUp.home });
      const database = `back_${step.replaceAll('-', '_')}`;
      await server.query(`CREATE DATABASE ${database} TEMPLATE template0`);
      await home.put(restoreYaml(server, 'killed', 'whole', database));
      home.stops.set(atStep(step, 'killed'), 'die');
      await home.startAndDie();
      await home.start();
      const { status } = await home.waitForEnd('RestoreRequest', 'killed');
      expect(status.failure).toBeUndefined();
      expect(comparePortraits(original, await portraitOf(database))).toEqual([]);
      await home.waitForRest();
      await home.stop();
    },
  );
});
