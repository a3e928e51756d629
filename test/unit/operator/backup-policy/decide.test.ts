import { describe, expect, it } from '@jest/globals';
import type { BackupPolicyStatus } from '../../../../src/api/backup-policy.ts';
import type { BackupRunStatus } from '../../../../src/api/backup-run.ts';
import { policyLabel, scheduleLabel, tickAnnotation } from '../../../../src/api/names.ts';
import { backedUp, policySpec, runSpec, World } from '../world.ts';

const hours = (count: number): number => count * 3_600_000;
const statusOf = (world: World): BackupPolicyStatus => world.status('BackupPolicy', 'shop');
const visit = (world: World) => world.visit('BackupPolicy', 'shop');
const runs = (world: World): string[] =>
  [...world.stored.values()].filter(({ kind }) => kind === 'BackupRun').map(({ metadata }) => metadata.name);

function finish(world: World, name: string, status: object): void {
  const run = world.read('BackupRun', name);
  if (run === undefined) throw new Error(`no run ${name}`);
  world.stored.set(`BackupRun/${name}`, { ...run, status });
}

const success = (): Partial<BackupRunStatus> => {
  const report = backedUp();
  if (report.outcome !== 'backed-up') throw new Error('a set was to be there');
  return { phase: 'Succeeded', set: { store: 'main', ...report.set } };
};

/** It is noon; the schedule's next tick is at two in the night. */
async function applied(spec: object = policySpec): Promise<World> {
  const world = new World();
  world.create('BackupPolicy', 'shop', spec);
  await visit(world);
  return world;
}

describe('a schedule', () => {
  it('that is new makes no run for ticks before it was seen', async () => {
    const world = await applied();
    expect({ runs: runs(world), ...statusOf(world) }).toMatchObject({ runs: [], nextRun: '2026-03-02T02:00:00Z' });
  });

  it('makes its run at the tick, named, labelled and never owned by the policy', async () => {
    const world = await applied();
    await world.clock.advance(hours(14));
    await visit(world);
    expect(world.read('BackupRun', 'shop-nightly-202603020200')).toMatchObject({
      metadata: {
        labels: { [policyLabel]: 'shop', [scheduleLabel]: 'nightly' },
        annotations: { [tickAnnotation]: '2026-03-02T02:00:00Z' },
      },
      spec: { policyName: 'shop', method: 'Dump', dump: { databases: ['shop'] } },
    });
    expect(world.read('BackupRun', 'shop-nightly-202603020200')?.metadata.ownerReferences).toBeUndefined();
  });

  it('makes one run for all the ticks that were missed', async () => {
    const world = await applied();
    await world.clock.advance(hours(24 * 9));
    await visit(world);
    await visit(world);
    expect(runs(world)).toEqual(['shop-nightly-202603100200']);
  });

  it('adopts the run that is there, wherever the operator was killed', async () => {
    for (let call = 1; call <= 5; call += 1) {
      for (const when of ['before', 'after'] as const) {
        const world = await applied();
        await world.clock.advance(hours(14));
        world.killAt = { call: world.calls + call, when };
        await visit(world);
        await visit(world);
        await world.clock.advance(hours(1));
        await visit(world);
        expect({ call, when, runs: runs(world) }).toEqual({ call, when, runs: ['shop-nightly-202603020200'] });
        expect(statusOf(world).schedules).toEqual([
          { name: 'nightly', firstSeen: '2026-03-01T12:00:00Z', lastTick: '2026-03-02T02:00:00Z' },
        ]);
      }
    }
  });

  it('adopts the run that another operator made between look and creation', async () => {
    const world = await applied();
    await world.clock.advance(hours(14));
    Object.assign(world.objects, { list: async () => [] });
    world.create('BackupRun', 'shop-nightly-202603020200', { policyName: 'shop' });
    expect(await visit(world)).toMatchObject({ kind: 'done' });
    expect(statusOf(world).schedules).toMatchObject([{ lastTick: '2026-03-02T02:00:00Z' }]);
  });

  it('has its own run although the schedule of another policy would give it the same name', async () => {
    const world = new World();
    const named = (name: string) => ({ ...policySpec, schedules: [{ ...policySpec.schedules[0], name }] });
    world.create('BackupPolicy', 'shop', named('eu-nightly'));
    world.create('BackupPolicy', 'shop-eu', named('nightly'));
    const policies = ['shop', 'shop-eu'];
    for (const name of policies) await world.visit('BackupPolicy', name);
    await world.clock.advance(hours(14));
    // Twice: what is there is found again under either name.
    for (const name of [...policies, ...policies]) await world.visit('BackupPolicy', name);
    const made = runs(world).map((name) => world.read('BackupRun', name)?.spec);
    expect(made).toEqual([
      { ...runSpec, policyName: 'shop' },
      { ...runSpec, policyName: 'shop-eu' },
    ]);
  });

  it('skips a tick while its last run is not over, and says so', async () => {
    const world = await applied();
    await world.clock.advance(hours(14));
    await visit(world);
    await world.clock.advance(hours(24));
    await visit(world);
    expect(runs(world)).toHaveLength(1);
    expect(statusOf(world).schedules).toMatchObject([
      {
        lastTick: '2026-03-03T02:00:00Z',
        lastSkipped: { message: 'run shop-nightly-202603020200 of the same schedule was not over' },
      },
    ]);
  });

  it('remembers when it was first seen, through runs and ticks without one, and a later one has its own beginning', async () => {
    const world = await applied();
    const nightly = policySpec.schedules[0];
    await world.clock.advance(hours(14));
    await visit(world);
    const weekly = { ...nightly, name: 'weekly', cron: '0 3 * * 0' };
    const policy = world.read('BackupPolicy', 'shop');
    if (policy === undefined) throw new Error('the policy was to be there');
    world.stored.set('BackupPolicy/shop', { ...policy, spec: { ...policySpec, schedules: [nightly, weekly] } });
    await visit(world);
    await world.clock.advance(hours(24));
    await visit(world);
    expect(statusOf(world).schedules).toEqual([
      {
        name: 'nightly',
        firstSeen: '2026-03-01T12:00:00Z',
        lastTick: '2026-03-03T02:00:00Z',
        lastSkipped: { tick: '2026-03-03T02:00:00Z', message: expect.any(String) },
      },
      { name: 'weekly', firstSeen: '2026-03-02T02:00:00Z', lastTick: '2026-03-02T02:00:00Z' },
    ]);
  });

  it('of a status that does not say when it was first seen began at its last tick, and no longer ago', async () => {
    const world = await applied();
    const policy = world.read('BackupPolicy', 'shop');
    if (policy === undefined) throw new Error('the policy was to be there');
    const status = { ...statusOf(world), schedules: [{ name: 'nightly', lastTick: '2026-02-28T02:00:00Z' }] };
    world.stored.set('BackupPolicy/shop', { ...policy, status });
    await visit(world);
    expect(statusOf(world).schedules).toMatchObject([{ firstSeen: '2026-02-28T02:00:00Z' }]);
  });

  it('of a suspended policy makes none, not even for what passed meanwhile', async () => {
    const world = await applied({ ...policySpec, suspend: true });
    await world.clock.advance(hours(15));
    expect(await visit(world)).toMatchObject({ kind: 'done', reason: 'Suspended' });
    expect(statusOf(world)).not.toHaveProperty('nextRun');
    world.stored.set('BackupPolicy/shop', { ...world.read('BackupPolicy', 'shop')!, spec: policySpec });
    await visit(world);
    expect(runs(world)).toEqual([]);
  });
});

describe('am I protected? says', () => {
  const afterTick = async (status: object): Promise<World> => {
    const world = await applied();
    await world.clock.advance(hours(14));
    await visit(world);
    finish(world, 'shop-nightly-202603020200', status);
    return world;
  };

  it('NeverRun before the first run has ended', async () => {
    expect(await visit(await applied())).toMatchObject({ kind: 'done', reason: 'NeverRun' });
  });

  it('Scheduled, with the backup and the next run, when the newest succeeded; and looks again at the next tick', async () => {
    const world = await afterTick(success());
    expect(await visit(world)).toMatchObject({ kind: 'done', reason: 'Scheduled', againMs: hours(24) });
    expect(statusOf(world)).toMatchObject({
      nextRun: '2026-03-03T02:00:00Z',
      lastRun: { name: 'shop-nightly-202603020200', phase: 'Succeeded' },
      lastSuccess: { run: 'shop-nightly-202603020200', time: '2026-03-01T12:00:30Z', size: '977 KiB' },
    });
  });

  it('the reason of the newest run when that failed, and still the last success', async () => {
    const world = await afterTick(success());
    await world.clock.advance(hours(24));
    await visit(world);
    finish(world, 'shop-nightly-202603030200', {
      phase: 'Failed',
      failure: { reason: 'StoreFull', message: 'no space', hint: 'h' },
    });
    expect(await visit(world)).toMatchObject({ kind: 'waiting', reason: 'StoreFull', ms: hours(24) });
    expect(statusOf(world).lastSuccess).toMatchObject({ run: 'shop-nightly-202603020200' });
  });

  describe('of each database by itself', () => {
    const crm = { name: 'crm', cron: '10 2 * * *', method: 'Dump', dump: { databases: ['crm'] } };
    const failed = { phase: 'Failed', failure: { reason: 'PrivilegeMissing', message: 'no grant', hint: 'h' } };
    const afterBoth = async (shop: object, other: object): Promise<World> => {
      const world = await applied({ ...policySpec, schedules: [...policySpec.schedules, crm] });
      await world.clock.advance(hours(14.5));
      await visit(world);
      finish(world, 'shop-nightly-202603020200', shop);
      finish(world, 'shop-crm-202603020210', other);
      await visit(world);
      return world;
    };
    const ready = (world: World) => statusOf(world).conditions?.find(({ type }) => type === 'Ready');

    it('a later success of one does not hide the failure of another', async () => {
      const world = await afterBoth(failed, success());
      expect(ready(world)).toMatchObject({ status: 'False', reason: 'PrivilegeMissing' });
      expect(ready(world)?.message).toContain('shop-nightly-202603020200');
    });

    it('one that was never backed up is named', async () => {
      const world = await afterBoth(success(), { phase: 'Running' });
      expect(ready(world)).toMatchObject({ reason: 'NeverRun' });
      expect(ready(world)?.message).toContain('of database "crm"');
    });

    it('the last success is that of the one least protected', async () => {
      const older = success() as { set: object };
      const newer = { ...older, set: { ...older.set, consistentAt: '2026-03-02T02:10:05Z' } };
      const world = await afterBoth(older, newer);
      expect(ready(world)).toMatchObject({ status: 'True', reason: 'Scheduled' });
      expect(statusOf(world).lastSuccess).toMatchObject({ run: 'shop-nightly-202603020200' });
    });
  });

  it('the same of runs of one second, in whatever order they are listed', async () => {
    const world = await applied();
    for (const name of ['one', 'two', 'three']) {
      world.create('BackupRun', name, runSpec);
      finish(world, name, success());
    }
    await visit(world);
    const told = statusOf(world);
    const reversed = [...world.stored].reverse();
    world.stored.clear();
    for (const [key, object] of reversed) world.stored.set(key, object);
    await visit(world);
    expect(statusOf(world)).toEqual(told);
  });

  it('ReadOnly, and is ready, when another cluster owns the repository', async () => {
    const world = await afterTick({
      phase: 'Failed',
      failure: { reason: 'ReadOnly', message: 'owned by X', hint: 'h' },
    });
    expect(await visit(world)).toMatchObject({ kind: 'done', reason: 'ReadOnly', message: 'owned by X' });
  });

  it('ByHand without a schedule', async () => {
    const world = await applied({ ...policySpec, schedules: [] });
    world.create('BackupRun', 'now', { policyName: 'shop' });
    finish(world, 'now', success());
    expect(await visit(world)).toMatchObject({ kind: 'done', reason: 'ByHand' });
  });

  it('what is wrong with the spec, and no next run', async () => {
    const world = await applied();
    const policy = world.read('BackupPolicy', 'shop')!;
    world.stored.set('BackupPolicy/shop', { ...policy, spec: { ...policySpec, schedule: [] } });
    expect(await visit(world)).toMatchObject({
      kind: 'stalled',
      reason: 'SpecInvalid',
      message: 'spec.schedule is no field of a BackupPolicy. Did you mean schedules?',
    });
    expect(statusOf(world)).not.toHaveProperty('nextRun');
  });
});
