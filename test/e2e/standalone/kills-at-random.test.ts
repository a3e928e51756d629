import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import { createLogger } from '../../../src/base/log.ts';
import { collectGarbage } from '../../../src/catalog/collect-garbage.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { chance } from '../../harness/chance.ts';
import { addressesOf, manyAddresses, type Postgres, startPostgres } from '../../harness/postgres.ts';
import { makeShop } from '../../harness/shop.ts';
import { Standalone } from '../../harness/standalone.ts';
import { manifestsIn, policyYaml, runYaml, setShopSecrets } from '../../harness/standalone-shop.ts';
import { type TaskPart, taskProcess } from '../../harness/task-processes.ts';

/** Another number, other kills. */
const seed = 20_261_121;
const killCount = 20;
const victims = ['standalone', 'leader', 'agent', 'loop', 'tool'] as const;

let server: Postgres;
/** A run that is tried again must not keep the next one waiting. */
let newAddress: () => Postgres;
let home: Standalone;
let place: string;

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'backstay-store-'));
  server = await startPostgres({ settings: { max_connections: '200', ...manyAddresses } });
  newAddress = addressesOf(server);
  await makeShop(server);
  home = new Standalone(server.bin);
  setShopSecrets(home, server);
  await home.start();
});

afterAll(async () => {
  await home?.stop();
  await server?.stop();
  rmSync(place, { recursive: true, force: true });
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function killStandalone(delayMs: number): Promise<void> {
  await sleep(delayMs);
  await home.kill('SIGKILL');
  await home.start();
}

/** False when the task was over before the moment came. A run is hit once only: of two accidents it dies by design. */
async function killPart(run: string, part: TaskPart, delayMs: number): Promise<boolean> {
  const task = `${run}-1`;
  const isOver = (): boolean => existsSync(join(home.home, 'tasks', 'default', task, 'ended.json'));
  while (taskProcess(home.home, task, 'leader') === undefined) await sleep(5);
  await sleep(delayMs);
  for (;;) {
    const pid = taskProcess(home.home, task, part);
    const hasBegun = part !== 'loop' || existsSync(join(home.home, 'tasks', 'default', task, 'work', 'boot'));
    if (pid !== undefined && hasBegun) {
      process.kill(pid, 'SIGKILL');
      return true;
    }
    if (isOver() || taskProcess(home.home, task, 'leader') === undefined) return false;
    await sleep(2);
  }
}

async function beginRun(run: string): Promise<void> {
  mkdirSync(join(place, run));
  await home.put(policyYaml(newAddress(), join(place, run), '', run) + runYaml(run, '', run));
}

/** What lies below `sets/` and is not of the backup that the manifest names. */
function strangersIn(store: string): string[] {
  const [manifest = ''] = manifestsIn(store);
  const { attempt } = JSON.parse(readFileSync(join(store, manifest), 'utf8')) as { attempt: string };
  return readdirSync(store, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name).slice(store.length + 1))
    .filter((path) => path.includes('/sets/') && path !== manifest && !path.includes(attempt));
}

describe('on one machine', () => {
  it(`${killCount} kills -9 at random (seed ${seed}) end with one manifest for every run and nothing left`, async () => {
    const random = chance(seed);
    const runs: string[] = [];
    const kills: string[] = [];
    while (kills.length < killCount) {
      const victim = victims[Math.floor(random() * victims.length)] ?? 'agent';
      const delayMs = Math.floor(random() * (victim === 'tool' ? 30 : 700));
      if (victim !== 'standalone' || runs.length === 0) {
        runs.push(`run-${runs.length + 1}`);
        await beginRun(runs.at(-1) ?? '');
      }
      const run = runs.at(-1) ?? '';
      if (victim === 'standalone') await killStandalone(delayMs);
      else if (!(await killPart(run, victim, delayMs))) continue;
      kills.push(`${victim} of ${run} after ${delayMs} ms`);
    }
    const ends = await Promise.all(runs.map((run) => home.waitForEnd('BackupRun', run)));
    const failed = ends
      .filter(({ status }) => status.phase !== 'Succeeded')
      .map(({ metadata, status }) => ({ run: metadata.name, ...status }));
    expect({ failed, kills: failed.length === 0 ? [] : kills }).toEqual({ failed: [], kills: [] });
    for (const run of runs) expect([run, manifestsIn(join(place, run))]).toEqual([run, [expect.any(String)]]);
    await home.waitForRest();

    // What dead attempts wrote goes when their time is up, and nothing else does.
    const log = createLogger('silent', process.stderr);
    for (const path of runs.map((run) => join(place, run))) {
      const store = await openStore({ kind: 'filesystem', name: 'near', path }, { clock: systemClock, log });
      await collectGarbage(store, Date.now() + 7 * 24 * 3_600_000);
      await store.close();
      expect(strangersIn(path)).toEqual([]);
    }
  }, 120_000);
});
