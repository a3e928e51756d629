import { describe, expect, it } from '@jest/globals';
import type { BackupRunStatus } from '../../../src/api/backup-run.ts';
import { backedUp, failedWith, policySpec, runSpec, World } from './world.ts';

const statusOf = (world: World): BackupRunStatus => world.status('BackupRun', 'now');
const settle = (world: World) => world.settle('BackupRun', 'now');

function begun(): World {
  const world = new World();
  world.create('BackupPolicy', 'shop', policySpec);
  world.create('BackupRun', 'now', runSpec);
  return world;
}

async function running(): Promise<World> {
  const world = begun();
  await settle(world);
  return world;
}

const elsewhere = { target: { ...policySpec.target, host: 'elsewhere' } };
const otherStore = { stores: [{ name: 'main', filesystem: { path: '/elsewhere' } }] };

function edit(world: World, change: object): void {
  const policy = world.read('BackupPolicy', 'shop');
  if (policy === undefined) throw new Error('no policy');
  world.stored.set('BackupPolicy/shop', { ...policy, spec: { ...(policy.spec as object), ...change } });
}

const server = 'the policy names another server since this run began: db:5432 then, elsewhere:5432 now';
const store = 'the policy names another store since this run began: directory /backups then, directory /elsewhere now';

describe('a policy that is edited while a run goes on', () => {
  it.each([
    ['server', elsewhere, server],
    ['store', otherStore, store],
  ])('to another %s between two attempts: there is no second one', async (_what, change, message) => {
    const world = await running();
    world.end('now-1', failedWith('ServerLost'));
    await settle(world);
    edit(world, change);
    await world.clock.advance(31_000);
    await settle(world);
    expect(statusOf(world)).toMatchObject({ phase: 'Failed', failure: { reason: 'SpecInvalid', message } });
    expect(statusOf(world).turn).toBeUndefined();
    expect(statusOf(world).attempts).toHaveLength(1);
    expect(world.started).toEqual(['now-1']);
  });

  it.each([
    ['server', elsewhere, server],
    ['store', otherStore, store],
  ])('to another %s between intent and start: nothing is started', async (_what, change, message) => {
    const world = begun();
    while (statusOf(world).attempts === undefined) await world.visit('BackupRun', 'now');
    edit(world, change);
    await settle(world);
    expect(statusOf(world)).toMatchObject({ phase: 'Failed', failure: { reason: 'SpecInvalid', message } });
    expect(world.started).toEqual([]);
  });

  it('to another store after an unknown end: it is not looked into, and nobody says that there is no backup', async () => {
    const world = await running();
    world.end('now-1');
    edit(world, otherStore);
    await settle(world);
    await world.clock.advance(60_000);
    await settle(world);
    expect(statusOf(world)).toMatchObject({
      phase: 'Failed',
      failure: { reason: 'SpecInvalid', message: `it is not known whether attempt 1 left a backup: ${store}` },
    });
    expect(world.started).toEqual(['now-1']);
  });

  it('to another prefix of the same bucket after an unknown end: likewise', async () => {
    const s3 = { bucket: 'backups', credentials: { secretName: 'keys' } };
    const world = begun();
    edit(world, { stores: [{ name: 'main', s3 }] });
    await settle(world);
    world.end('now-1');
    edit(world, { stores: [{ name: 'main', s3: { ...s3, prefix: 'shop' } }] });
    await settle(world);
    const message = expect.stringMatching(/another prefix since this run began: none then, shop now$/);
    expect(statusOf(world)).toMatchObject({ phase: 'Failed', failure: { reason: 'SpecInvalid', message } });
    expect(world.started).toEqual(['now-1']);
  });

  it('to another server after an unknown end: the store is looked into all the same', async () => {
    const world = await running();
    world.end('now-1');
    edit(world, elsewhere);
    await settle(world);
    expect(world.started).toEqual(['now-1', 'now-1-inspect']);
    world.end('now-1-inspect', backedUp());
    await settle(world);
    expect(statusOf(world).phase).toBe('Succeeded');
  });

  it('in mid task, or in what is neither server nor store, is no reason to stop', async () => {
    const world = await running();
    edit(world, { ...elsewhere, ...otherStore });
    await settle(world);
    expect(statusOf(world).phase).toBe('Running');
    edit(world, { target: policySpec.target, stores: policySpec.stores, schedules: [] });
    world.end('now-1', failedWith('ServerLost'));
    await settle(world);
    await world.clock.advance(31_000);
    await settle(world);
    expect(world.started).toEqual(['now-1', 'now-2']);
  });
});
