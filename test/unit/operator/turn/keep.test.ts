import { beforeEach, describe, expect, it } from '@jest/globals';
import type { BackupRunStatus } from '../../../../src/api/backup-run.ts';
import { taskFinalizer } from '../../../../src/api/names.ts';
import type { RestoreRequestStatus } from '../../../../src/api/restore-request.ts';
import { ObjectsError } from '../../../../src/cluster/objects.ts';
import type { Report } from '../../../../src/contract/report.ts';
import { backedUp, failedWith, policySpec, requestSpec, runSpec, World } from '../world.ts';

const run = (world: World, name: string): BackupRunStatus => world.status('BackupRun', name);
const request = (world: World): RestoreRequestStatus => world.status('RestoreRequest', 'back');

function addPolicy(world: World, name: string, more: object = {}, host = 'db'): void {
  const store = { name: 'main', filesystem: world.mode === 'kubernetes' ? { claimName: name } : { path: `/${name}` } };
  const target = { ...policySpec.target, host };
  world.create('BackupPolicy', name, { ...policySpec, target, stores: [store], ...more });
}

const addRun = (world: World, name: string, policyName: string, more: object = {}): void =>
  void world.create('BackupRun', name, { ...runSpec, policyName }, more);

/** Two runs of two policies on one server. */
function twoRuns(world = new World(), more: object = {}): World {
  addPolicy(world, 'one', more);
  addPolicy(world, 'two');
  addRun(world, 'a', 'one');
  addRun(world, 'b', 'two');
  return world;
}

function withBackup(world: World): void {
  addPolicy(world, 'shop');
  const good = world.create('BackupRun', 'good', runSpec);
  const { set } = backedUp('uid-of-good') as Extract<Report, { outcome: 'backed-up' }>;
  world.stored.set('BackupRun/good', { ...good, status: { phase: 'Succeeded', set: { store: 'main', ...set } } });
}

describe('a claim is given back when what follows it throws', () => {
  const refusesToHold = (world: World, name: string): void => {
    const { replaceFinalizers } = world.objects;
    world.objects.replaceFinalizers = (object, finalizers) =>
      object.metadata.name === name
        ? Promise.reject(new ObjectsError('Forbidden', 'finalizers are refused'))
        : replaceFinalizers(object, finalizers);
  };

  it('by a run that may not be held: the error is told, and the next run works', async () => {
    const world = twoRuns();
    refusesToHold(world, 'a');
    const outcome = await world.settle('BackupRun', 'a');
    expect(outcome).toMatchObject({ kind: 'failed', error: { message: 'finalizers are refused' } });
    expect(run(world, 'a').turn).toBeUndefined();
    await world.settle('BackupRun', 'b');
    expect(world.started).toEqual(['b-1']);
  });

  it('by a request that may not be held', async () => {
    const world = new World();
    withBackup(world);
    refusesToHold(world, 'back');
    world.create('RestoreRequest', 'back', requestSpec);
    expect(await world.settle('RestoreRequest', 'back')).toMatchObject({ kind: 'failed' });
    expect(request(world).turn).toBeUndefined();
    addRun(world, 'now', 'shop');
    await world.settle('BackupRun', 'now');
    expect(world.started).toEqual(['now-1']);
  });

  it('but not for a conflict, after which the same visit is made again', async () => {
    const world = twoRuns();
    world.objects.replaceFinalizers = () => Promise.reject(new ObjectsError('Conflict', 'changed'));
    await world.visit('BackupRun', 'a');
    await expect(world.visit('BackupRun', 'a')).rejects.toMatchObject({ code: 'Conflict' });
    expect(run(world, 'a').turn?.claimedAt).toBeDefined();
  });
});

describe('the image of a workload that may not be read', () => {
  let world: World;
  beforeEach(() => {
    world = new World('kubernetes');
    world.runningImage = () => {
      throw new ObjectsError('Forbidden', 'statefulsets.apps "db" is forbidden');
    };
  });
  const target = { ...policySpec.target, workload: { kind: 'StatefulSet', name: 'db' } };

  it('is waited for with the reason, up to the starting deadline, and then the next run works', async () => {
    twoRuns(world, { target });
    world.create('BackupPolicy', 'two', {
      ...(world.read('BackupPolicy', 'two')?.spec as object),
      toolImages: { dump: 'postgres:18' },
    });
    const message = 'statefulsets.apps "db" is forbidden';
    expect(await world.settle('BackupRun', 'a')).toMatchObject({ kind: 'waiting', reason: 'PodRefused', message });
    await world.clock.advance(600_000);
    await world.settle('BackupRun', 'a');
    expect(run(world, 'a')).toMatchObject({
      phase: 'Failed',
      failure: { reason: 'PodRefused', message: `the task did not begin within 10m: ${message}` },
    });
    await world.settle('BackupRun', 'b');
    expect(world.started).toEqual(['b-1']);
  });
});

describe('a run that has begun keeps its server', () => {
  it('between two attempts, while its policy is gone for a moment', async () => {
    const world = twoRuns();
    await world.settle('BackupRun', 'a');
    world.end('a-1', failedWith('StoreUnreachable'));
    await world.settle('BackupRun', 'a');
    const policy = world.read('BackupPolicy', 'one');
    world.stored.delete('BackupPolicy/one');
    await world.settle('BackupRun', 'a');
    expect(run(world, 'a')).toMatchObject({ phase: 'Pending', turn: { server: 'db:5432' } });
    if (policy !== undefined) world.stored.set('BackupPolicy/one', policy);
    await world.settle('BackupRun', 'b');
    await world.clock.advance(31_000);
    await world.settle('BackupRun', 'a');
    expect(world.started).toEqual(['a-1', 'a-2']);
  });

  it('when an older operator, which wrote down no server, began it', async () => {
    const world = twoRuns();
    await world.settle('BackupRun', 'a');
    const { turn: _none, ...before } = run(world, 'a');
    const object = world.read('BackupRun', 'a');
    if (object !== undefined) world.stored.set('BackupRun/a', { ...object, status: before });
    await world.settle('BackupRun', 'a');
    expect(run(world, 'a').turn).toEqual({ server: 'db:5432', store: 'directory /one' });
    await world.settle('BackupRun', 'b');
    expect(world.started).toEqual(['a-1']);
  });

  it('and a deleted one gives it back with its task, although somebody else still holds the object', async () => {
    const world = twoRuns();
    const object = world.read('BackupRun', 'a');
    if (object !== undefined) world.create('BackupRun', 'a', object.spec, { finalizers: ['example.com/keep'] });
    await world.settle('BackupRun', 'a');
    expect(world.read('BackupRun', 'a')?.metadata.finalizers).toEqual(['example.com/keep', taskFinalizer]);
    world.markDeleted('BackupRun', 'a');
    await world.settle('BackupRun', 'b');
    expect(world.started).toEqual(['a-1']);
    await world.settle('BackupRun', 'a');
    await world.settle('BackupRun', 'b');
    expect({ started: world.started, left: [...world.tasks.keys()] }).toEqual({
      started: ['a-1', 'b-1'],
      left: ['b-1'],
    });
    expect(world.read('BackupRun', 'a')).toBeDefined();
  });
});
