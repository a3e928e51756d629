import { describe, expect, it } from '@jest/globals';
import type { BackupPolicyStatus } from '../../../../src/api/backup-policy.ts';
import type { BackupRunStatus } from '../../../../src/api/backup-run.ts';
import { policyLabel, scheduleLabel, tickAnnotation } from '../../../../src/api/names.ts';
import { backedUp, policySpec, World } from '../world.ts';

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
        expect(statusOf(world).schedules).toEqual([{ name: 'nightly', lastTick: '2026-03-02T02:00:00Z' }]);
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
