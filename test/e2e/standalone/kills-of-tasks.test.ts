import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { taskSteps } from '../../../src/contract/progress.ts';
import { eventually } from '../../harness/eventually.ts';
import { comparePortraits, drawPortrait, type Portrait } from '../../harness/portrait.ts';
import { addressesOf, manyAddresses, type Postgres, startPostgres } from '../../harness/postgres.ts';
import { makeShop } from '../../harness/shop.ts';
import { type EndedObject, Standalone } from '../../harness/standalone.ts';
import { manifestsIn, policyYaml, restoreYaml, runYaml, setShopSecrets } from '../../harness/standalone-shop.ts';
import { freezeDump, killTaskPart, type TaskPart } from '../../harness/task-processes.ts';

type Victim = Exclude<TaskPart, 'leader' | 'tool'>;
const victims = ['agent', 'loop'] as const satisfies Victim[];
const cases = (steps: readonly string[]): [Victim, string][] =>
  victims.flatMap((victim) => steps.map((step): [Victim, string] => [victim, step]));

let server: Postgres;
/** They all happen side by side, which on one server they would not. */
let newAddress: () => Postgres;
let home: Standalone;
let place: string;
let original: Portrait;
/** Every story is told at once, in one home: most of the time goes by in the pause before a second attempt. */
const stories = new Map<string, Promise<unknown>>();

function begin(name: string, story: () => Promise<unknown>): void {
  const told = story();
  told.catch(() => {});
  stories.set(name, told);
}

const endOf = async <T>(name: string): Promise<T> => (await stories.get(name)) as T;

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'backstay-store-'));
  server = await startPostgres({ settings: { max_connections: '200', ...manyAddresses } });
  newAddress = addressesOf(server);
  for (const database of ['shop', 'large']) {
    await makeShop(server, database);
  }
  // A dump that takes long enough to be met in the middle.
  const ballast = `CREATE TABLE ballast AS SELECT n, repeat(md5(n::text), 100) AS body FROM generate_series(1, 20000) n`;
  await server.query(ballast, { database: 'large' });
  original = await portraitOf('shop');
  home = new Standalone(server.bin);
  setShopSecrets(home, server);
  await home.start();
  for (const [victim, step] of cases(taskSteps.backup)) begin(`${victim} ${step}`, () => killBackupAt(victim, step));
  begin('pg_dump', () => killTool());
  await beginRun('whole');
  expect((await home.waitForEnd('BackupRun', 'whole')).status.phase).toBe('Succeeded');
  for (const [victim, step] of cases(taskSteps.restore)) begin(`${victim} ${step}`, () => killRestoreAt(victim, step));
  begin('pg_restore', () => killRestoreTool());
});

afterAll(async () => {
  await Promise.allSettled(stories.values());
  await home?.stop();
  await server?.stop();
  rmSync(place, { recursive: true, force: true });
});

const portraitOf = (database: string): Promise<Portrait> => drawPortrait(server.connection(database));

const storeOf = (run: string): string => join(place, run);

/** A run under a policy and with a store of its own. */
async function beginRun(run: string, database = 'shop'): Promise<void> {
  mkdirSync(storeOf(run));
  await home.put(policyYaml(newAddress(), storeOf(run), '', run) + runYaml(run, '', run, database));
}

async function killBackupAt(victim: Victim, step: string): Promise<EndedObject> {
  const run = `${victim}-${step}`;
  const stop = home.stops.set([`"step":"${step}"`, `/${run}-1`], 'stand');
  await beginRun(run);
  await stop.reached();
  await killTaskPart(home.home, `${run}-1`, victim);
  stop.letGo();
  return home.waitForEnd('BackupRun', run);
}

/** Kills pg_dump, and in another run the loop above it, in the middle of a table. */
async function killTool(): Promise<EndedObject[]> {
  const kills = [
    ['pg-dump', 'tool'],
    ['loop-of-pg-dump', 'loop'],
  ] as const;
  return Promise.all(
    kills.map(async ([run, part]) => {
      await beginRun(run, 'large');
      await freezeDump(home.home, `${run}-1`);
      await killTaskPart(home.home, `${run}-1`, part);
      return home.waitForEnd('BackupRun', run);
    }),
  );
}

async function lock(database: string, sql: string): Promise<() => Promise<void>> {
  const client = new pg.Client(server.connection(database));
  client.on('error', () => {});
  await client.connect();
  await client.query('BEGIN');
  await client.query(sql);
  return () => client.end();
}

interface Restored {
  first: EndedObject;
  /** What stood in the target after the first request. */
  target: 'empty' | 'complete' | 'something else';
  again: EndedObject;
}

async function killRestoreAt(victim: Victim, step: string): Promise<Restored> {
  const name = `${victim}-${step}`;
  const stop = home.stops.set([`"step":"${step}"`, `/${name}-restore`], 'stand');
  return restoreTwice(name, async () => {
    await stop.reached();
    await killTaskPart(home.home, `${name}-restore`, victim);
    stop.letGo();
  });
}

/** Kills pg_restore while it waits to write into the catalog of the target: in the middle of its transaction. */
function killRestoreTool(): Promise<Restored> {
  return restoreTwice('pg-restore', async (database) => {
    const free = await lock(database, 'LOCK TABLE pg_catalog.pg_class IN SHARE MODE');
    await eventually(async () => {
      const waiting = await server.query(
        `SELECT 1 FROM pg_stat_activity WHERE datname = '${database}' AND wait_event_type = 'Lock'`,
      );
      if (waiting.length === 0) throw new Error('pg_restore does not wait');
    }, 60_000);
    await killTaskPart(home.home, 'pg-restore-restore', 'tool');
    await free();
  });
}

async function restoreTwice(name: string, kill: (database: string) => Promise<void>): Promise<Restored> {
  const database = `back_${name.replaceAll('-', '_')}`;
  await server.query(`CREATE DATABASE ${database} TEMPLATE template0`);
  const killed = kill(database);
  await home.put(restoreYaml(newAddress(), name, 'whole', database));
  await killed;
  const first = await home.waitForEnd('RestoreRequest', name);
  const target = await stateOf(database);
  // What the hint says: an empty database for another request.
  if (target !== 'empty') await server.query(`DROP DATABASE ${database}`);
  if (target !== 'empty') await server.query(`CREATE DATABASE ${database} TEMPLATE template0`);
  await home.put(restoreYaml(newAddress(), `${name}-again`, 'whole', database));
  const again = await home.waitForEnd('RestoreRequest', `${name}-again`);
  expect([again.status.failure, await stateOf(database)]).toEqual([undefined, 'complete']);
  return { first, target, again };
}

async function stateOf(database: string): Promise<Restored['target']> {
  const portrait = await portraitOf(database);
  if (Object.keys({ ...portrait.rows, ...portrait.definitions }).length === 0) return 'empty';
  return comparePortraits(original, portrait).length === 0 ? 'complete' : 'something else';
}

describe('a backup whose part was killed with -9', () => {
  // Until its manifest is in the store a dead agent leaves no backup; after its last tool the agent needs no loop.
  const lastThatCounts = { agent: 'commit', loop: 'dump' } as const;
  const reasonOf = { agent: 'AgentLost', loop: 'ToolLost' } as const;

  it.each(cases(taskSteps.backup))('the %s, at the step %s: one manifest', async (victim, step) => {
    const steps: readonly string[] = taskSteps.backup;
    const isRepeated = steps.indexOf(step) <= steps.indexOf(lastThatCounts[victim]);
    const { status } = await endOf<EndedObject>(`${victim} ${step}`);
    expect(status).toMatchObject({
      phase: 'Succeeded',
      attempts: [...(isRepeated ? [{ outcome: reasonOf[victim] }] : []), { outcome: 'Succeeded' }],
    });
    expect(manifestsIn(storeOf(`${victim}-${step}`))).toHaveLength(1);
  });

  it('pg_dump, or the loop above it, in the middle of a table: one manifest', async () => {
    for (const { status, metadata } of await endOf<EndedObject[]>('pg_dump')) {
      expect(status).toMatchObject({
        phase: 'Succeeded',
        attempts: [{ outcome: 'ToolLost' }, { outcome: 'Succeeded' }],
      });
      expect(manifestsIn(storeOf(metadata.name))).toHaveLength(1);
    }
  });
});

describe('a restore whose part was killed with -9', () => {
  it.each([
    ['agent', 'check', 'AgentLost', 'empty'],
    ['agent', 'replay', 'AgentLost', 'empty'],
    ['agent', 'compare', 'AgentLost', 'complete'],
    ['loop', 'check', 'ToolLost', 'empty'],
    ['loop', 'replay', 'ToolLost', 'empty'],
  ])('the %s, at the step %s: Failed with %s, and the database is %s', async (victim, step, reason, target) => {
    const restored = await endOf<Restored>(`${victim} ${step}`);
    expect(restored.first.status).toMatchObject({
      phase: 'Failed',
      failure: { reason, hint: expect.stringContaining('another request') },
    });
    expect(restored.target).toBe(target);
    expect(restored.again.status.phase).toBe('Succeeded');
  });

  it('pg_restore, in the middle of its transaction: Failed with ToolLost, and the database is empty', async () => {
    const restored = await endOf<Restored>('pg_restore');
    expect(restored.first.status).toMatchObject({
      phase: 'Failed',
      failure: { reason: 'ToolLost', hint: expect.stringContaining('another request') },
    });
    expect(restored.target).toBe('empty');
    expect(restored.again.status.phase).toBe('Succeeded');
  });

  it('the loop, when the tool is over: Succeeded', async () => {
    expect((await endOf<Restored>('loop compare')).first.status.phase).toBe('Succeeded');
  });

  it('every step of the list is told above', () => {
    expect(cases(taskSteps.restore).every(([victim, step]) => stories.has(`${victim} ${step}`))).toBe(true);
    expect(taskSteps.restore).toEqual(['check', 'replay', 'compare']);
  });
});

describe('after all of them', () => {
  it('nothing is left: no process, no FIFO, no directory of a task', async () => {
    await Promise.allSettled(stories.values());
    await home.waitForRest();
  });
});
