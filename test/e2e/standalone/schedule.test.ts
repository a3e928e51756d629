import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackupPolicyStatus } from '../../../src/api/backup-policy.ts';
import { eventually } from '../../harness/eventually.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';
import { makeShop } from '../../harness/shop.ts';
import { type EndedObject, Standalone } from '../../harness/standalone.ts';
import { manifestsIn, policyYaml, runYaml, setShopSecrets } from '../../harness/standalone-shop.ts';

const minuteMs = 60_000;

let server: Postgres;
let place: string;
const homes: Standalone[] = [];

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'backstay-store-'));
  server = await startPostgres();
  await makeShop(server);
});

afterAll(async () => {
  for (const home of homes) await home.stop();
  await server?.stop();
  rmSync(place, { recursive: true, force: true });
});

function newHome(): Standalone {
  const home = new Standalone(server.bin);
  homes.push(home);
  setShopSecrets(home, server);
  return home;
}

function newStore(name: string): string {
  const store = join(place, name);
  mkdirSync(store);
  return store;
}

const runNames = async (home: Standalone): Promise<string[]> =>
  (await home.list('BackupRun')).map(({ metadata }) => metadata.name);

/** `minute hour * * *` for this moment as a clock in Berlin shows it. */
function cronInBerlin(atMs: number): string {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', hour: '2-digit', minute: '2-digit' });
  const [hour, minute] = format.format(atMs).split(':').map(Number);
  return `${minute} ${hour} * * *`;
}

describe('a schedule', () => {
  it.concurrent('has its tick in its own time zone, and one run of it however often standalone is killed in that minute', async () => {
    const store = newStore('tick');
    const home = newHome();
    // Shortly before a full minute, so that nobody has to wait for one.
    home.stops.aheadMs = minuteMs - (Date.now() % minuteMs) - 12_000;
    const tickMs = Math.ceil((Date.now() + home.stops.aheadMs) / minuteMs) * minuteMs;
    const tick = new Date(tickMs).toISOString();
    const run = `shop-nightly-${tick.slice(0, 16).replace(/\D/g, '')}`;
    const schedule = `{ name: nightly, cron: "${cronInBerlin(tickMs)}", timeZone: Europe/Berlin, method: Dump, dump: { databases: [shop] } }`;
    await home.put(policyYaml(server, store, `  schedules: [${schedule}]`));
    home.stops.set(['"step":"create-run"', run], 'die');
    const death = home.startAndDie();
    await eventually(async () => {
      const status = (await home.get<BackupPolicyStatus>('BackupPolicy', 'shop'))?.status;
      expect(status?.nextRun).toBe(tick.replace('.000Z', 'Z'));
    });
    expect(await runNames(home)).toEqual([]);
    await death;
    expect(await runNames(home)).toEqual([]);

    home.stops.set(['"step":"release-deleted"', `"object":"default/${run}"`], 'die');
    await home.startAndDie();
    expect(await runNames(home)).toEqual([run]);
    const [{ metadata: born } = { metadata: undefined }] = await home.list('BackupRun');

    await home.start();
    const ended = await home.waitForEnd('BackupRun', run);
    expect(ended.status.phase).toBe('Succeeded');
    expect(ended.metadata.uid).toBe(born?.uid);
    expect(ended.metadata.annotations).toEqual({ 'backstay.dev/tick': tick.replace('.000Z', 'Z') });
    await eventually(async () => {
      const status = (await home.get<BackupPolicyStatus>('BackupPolicy', 'shop'))?.status;
      expect(status).toMatchObject({ lastSuccess: { run }, nextRun: expect.not.stringContaining(tick.slice(0, 16)) });
    });
    expect(await runNames(home)).toEqual([run]);
    expect(manifestsIn(store)).toHaveLength(1);
  });
});

describe('two runs of one policy made at once', () => {
  it.concurrent('go one after the other: the second is Pending and says for whom, then both succeed with a backup each', async () => {
    const store = newStore('two');
    const home = newHome();
    await home.put(policyYaml(server, store));
    const stop = home.stops.set(['"step":"dump"'], 'stand');
    await home.apply(runYaml('one') + runYaml('two'));
    await home.start();
    await stop.reached();
    const statusOf = async (name: string) => (await home.get<EndedObject['status']>('BackupRun', name))?.status;
    const [first, second] = await eventually(async () => {
      const phases = [(await statusOf('one'))?.phase, (await statusOf('two'))?.phase];
      expect([...phases].sort()).toEqual(['Pending', 'Running']);
      return phases[0] === ('Running' as string) ? (['one', 'two'] as const) : (['two', 'one'] as const);
    });
    expect((await statusOf(second))?.conditions).toContainEqual(
      expect.objectContaining({
        type: 'Ready',
        status: 'Unknown',
        reason: 'Pending',
        message: expect.stringMatching(new RegExp(`^run ${first} goes first: one task at a time works on the server `)),
      }),
    );
    stop.letGo();
    const ends = [await home.waitForEnd('BackupRun', first), await home.waitForEnd('BackupRun', second)];
    expect(ends.map(({ status }) => status.phase)).toEqual(['Succeeded', 'Succeeded']);
    const [before, after] = ends.map(({ status }) => status as unknown as Record<'startedAt' | 'completedAt', string>);
    expect(Date.parse(after?.startedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(before?.completedAt ?? ''));
    expect(manifestsIn(store)).toHaveLength(2);
    await home.waitForRest();
  });
});
