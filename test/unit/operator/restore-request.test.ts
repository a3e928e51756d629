import { describe, expect, it, jest } from '@jest/globals';
import type { RestoreRequestStatus } from '../../../src/api/restore-request.ts';
import type { Report } from '../../../src/contract/report.ts';
import { backedUp, failedWith, policySpec, requestSpec, runSpec, World } from './world.ts';

const settle = (world: World) => world.settle('RestoreRequest', 'back');
const statusOf = (world: World): RestoreRequestStatus => world.status('RestoreRequest', 'back');

const restored: Report = {
  outcome: 'restored',
  requestUid: 'uid-of-back',
  restore: { bytes: 3_000_000, tableCount: 2, rowCount: 20_000, foreignKeyCount: 1, durationMs: 900 },
};

function setOf(runUid: string, consistentAt: string, manifestSha256: string): object {
  const report = backedUp(runUid) as Extract<Report, { outcome: 'backed-up' }>;
  return { store: 'main', ...report.set, consistentAt, manifestSha256 };
}

function addRun(world: World, name: string, status: object, spec: object = runSpec): void {
  const run = world.create('BackupRun', name, spec);
  world.stored.set(`BackupRun/${name}`, { ...run, status });
}

function prepared(spec: object = requestSpec, policy: object = policySpec): World {
  const world = new World();
  world.create('BackupPolicy', 'shop', policy);
  world.create('BackupPolicy', 'other', policy);
  addRun(world, 'old', { phase: 'Succeeded', set: setOf('uid-old', '2026-02-27T02:00:00Z', 'aa') });
  addRun(world, 'newest', { phase: 'Succeeded', set: setOf('uid-newest', '2026-02-28T02:00:00Z', 'bb') });
  addRun(world, 'broken', { phase: 'Failed', failure: { reason: 'StoreFull', message: 'm', hint: 'h' } });
  addRun(world, 'odd', { phase: 'Failed', set: setOf('uid-odd', '2026-02-28T03:00:00Z', 'dd') });
  addRun(world, 'open', { phase: 'Running' });
  world.create('RestoreRequest', 'back', spec);
  return world;
}

describe('a restore', () => {
  it('of a policy takes its newest backup that succeeded, and keeps to it', async () => {
    const world = prepared();
    await settle(world);
    addRun(world, 'later', { phase: 'Succeeded', set: setOf('uid-later', '2026-03-01T02:00:00Z', 'cc') });
    await world.clock.advance(5_000);
    await settle(world);
    expect(statusOf(world)).toMatchObject({ phase: 'Replaying', source: { run: 'newest', manifestSha256: 'bb' } });
    expect(world.tasks.get('back-restore')?.spec.task('/root')).toMatchObject({
      verb: 'restore',
      runUid: 'uid-newest',
      manifestSha256: 'bb',
      requestUid: 'uid-of-back',
      database: 'shop',
      server: { username: { mount: 'admin', key: 'username' } },
    });
  });

  it('of a policy with several databases takes that of the target, not the newest of all', async () => {
    const crm = { name: 'crm', cron: '10 2 * * *', method: 'Dump', dump: { databases: ['crm'] } };
    const world = prepared(requestSpec, { ...policySpec, schedules: [...policySpec.schedules, crm] });
    const set = setOf('uid-crm', '2026-02-28T02:10:00Z', 'ee');
    addRun(world, 'crm', { phase: 'Succeeded', set }, { ...runSpec, dump: crm.dump });
    await settle(world);
    expect(statusOf(world).source).toMatchObject({ run: 'newest' });
  });

  it('of a policy with several databases never takes another one for want of a backup', async () => {
    const crm = { name: 'crm', cron: '10 2 * * *', method: 'Dump', dump: { databases: ['crm'] } };
    const target = { ...requestSpec.target, database: 'crm' };
    const world = prepared({ ...requestSpec, target }, { ...policySpec, schedules: [...policySpec.schedules, crm] });
    await settle(world);
    expect(statusOf(world)).toMatchObject({
      phase: 'Failed',
      failure: {
        reason: 'BackupMissing',
        message: 'policy shop backs up "crm", "shop", and no run of "crm" has succeeded',
        hint: 'Name the backup to restore in spec.source.runName.',
      },
    });
  });

  it('of a policy with one database may have another name', async () => {
    const world = prepared({ ...requestSpec, target: { ...requestSpec.target, database: 'shop_look' } });
    await settle(world);
    expect(statusOf(world).source).toMatchObject({ run: 'newest' });
  });

  it('of a named run takes that one', async () => {
    const world = prepared({ ...requestSpec, source: { runName: 'old' } });
    await settle(world);
    expect(statusOf(world).source).toMatchObject({ run: 'old', runUid: 'uid-old' });
  });

  it('writes the chosen backup down before anything is asked for', async () => {
    const world = prepared();
    while (statusOf(world).task === undefined) await world.visit('RestoreRequest', 'back');
    expect({ started: world.started, ...statusOf(world) }).toMatchObject({
      started: [],
      phase: 'Preparing',
      source: { run: 'newest' },
    });
  });

  it('succeeds with what was compared, then its task goes', async () => {
    const world = prepared();
    await settle(world);
    world.end('back-restore', restored);
    await settle(world);
    expect(statusOf(world)).toMatchObject({
      phase: 'Succeeded',
      result: { rowCount: 20_000 },
      conditions: [{ type: 'Ready', status: 'True', reason: 'Succeeded' }],
    });
    expect(world.tasks.size).toBe(0);
    expect(world.read('RestoreRequest', 'back')?.metadata.finalizers).toEqual([]);
  });

  it.each([
    ['the policy', requestSpec, 'drill'],
    [
      'the request, before the one of the policy',
      { ...requestSpec, source: { policyName: 'shop', identity: { secretName: 'escrow' } } },
      'escrow',
    ],
  ])('opens the backup with the identity of %s', async (_of, spec, secretName) => {
    const encryption = {
      age: {
        recipients: ['age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p'],
        identity: { secretName: 'drill' },
      },
    };
    const world = prepared(spec, { ...policySpec, encryption });
    await settle(world);
    const task = world.tasks.get('back-restore')?.spec;
    expect(task?.task('/root')).toMatchObject({ identity: { mount: 'identity', key: 'identity' } });
    expect(task?.secrets).toContainEqual({ mount: 'identity', secretName, keys: { identity: 'identity' } });
  });
});

describe('nothing is asked for', () => {
  it.each([
    ['a run that failed', { runName: 'broken' }, 'BackupMissing'],
    ['a run that failed although it tells of a set', { runName: 'odd' }, 'BackupMissing'],
    ['a policy without a backup', { policyName: 'other' }, 'BackupMissing'],
  ])('when it names %s', async (_what, source, reason) => {
    const world = prepared({ ...requestSpec, source });
    await settle(world);
    expect({ started: world.started, ...statusOf(world) }).toMatchObject({
      started: [],
      phase: 'Failed',
      failure: { reason },
    });
  });

  it.each([
    ['a run that is not there', { runName: 'nowhere' }],
    ['a run that is not over', { runName: 'open' }],
    ['a policy that is not there', { policyName: 'nowhere' }],
  ])('while it names %s; after ten minutes it fails', async (_what, source) => {
    const world = prepared({ ...requestSpec, source });
    expect(await settle(world)).toMatchObject({ kind: 'waiting', reason: 'ReferenceMissing' });
    expect(statusOf(world).phase).toBe('Validating');
    await world.clock.advance(600_000);
    await settle(world);
    expect({ started: world.started, ...statusOf(world) }).toMatchObject({ started: [], phase: 'Failed' });
  });

  it('and asks the server for a policy that is missing only when that is about to fail it', async () => {
    const world = prepared({ ...requestSpec, source: { policyName: 'nowhere' } });
    const get = jest.spyOn(world.objects, 'get');
    const asked = () => new Set(get.mock.calls.flatMap(([kind, , how]) => (kind === 'BackupPolicy' ? [how] : [])));
    await settle(world);
    expect(asked()).toEqual(new Set(['remembered']));
    get.mockClear();
    await world.clock.advance(600_000);
    await settle(world);
    expect(asked()).toEqual(new Set(['sure']));
  });
});

describe('a restore that goes wrong', () => {
  it.each(['ServerLost', 'TargetNotEmpty', 'WrongKey'])('by %s fails and is never tried again', async (reason) => {
    const world = prepared();
    await settle(world);
    world.end('back-restore', failedWith(reason));
    await settle(world);
    await world.clock.advance(600_000);
    await settle(world);
    expect({ started: world.started, ...statusOf(world) }).toMatchObject({
      started: ['back-restore'],
      phase: 'Failed',
      failure: {
        reason,
        // A backup would be tried again after this one: here a person has to know that nothing more will happen.
        hint: reason === 'ServerLost' ? expect.stringMatching(/^Mend it\. .*make another request\.$/) : 'Mend it.',
      },
      conditions: [
        { type: 'Ready', status: 'False', reason },
        { type: 'Stalled', status: 'True', reason },
      ],
    });
  });

  it('never succeeds by the report of another request that had its name', async () => {
    const world = prepared();
    await settle(world);
    world.end('back-restore', { ...restored, requestUid: 'uid-of-one-that-was-forced-away' } as Report);
    await settle(world);
    expect(statusOf(world)).toMatchObject({ phase: 'Failed', failure: { reason: 'AgentLost' } });
  });

  it('without a report says in which two states the database can be', async () => {
    const world = prepared();
    await settle(world);
    world.end('back-restore');
    await settle(world);
    expect(statusOf(world)).toMatchObject({ phase: 'Failed', failure: { reason: 'AgentLost' } });
    expect(statusOf(world).failure?.hint).toMatch(/as empty as before, or complete/);
  });

  it('and is deleted has its task stopped before it goes', async () => {
    const world = prepared();
    await settle(world);
    world.markDeleted('RestoreRequest', 'back');
    await settle(world);
    expect(world.tasks.size).toBe(0);
    expect(world.read('RestoreRequest', 'back')).toBeUndefined();
  });
});

it('whatever call the operator is killed at, a restore is started once and its end is told', async () => {
  const drive = async (world: World): Promise<World> => {
    for (let visits = 0; visits < 20; visits += 1) {
      await world.visit('RestoreRequest', 'back');
      if (world.tasks.get('back-restore')?.observation.state === 'running' && visits > 6)
        world.end('back-restore', restored);
      await world.clock.advance(1_000);
    }
    return world;
  };
  const { calls } = await drive(prepared());
  expect(calls).toBeGreaterThan(20);
  for (let call = 1; call <= calls; call += 1) {
    for (const when of ['before', 'after'] as const) {
      const world = prepared();
      world.killAt = { call, when };
      await drive(world);
      expect({ call, when, started: world.started, left: world.tasks.size, ...statusOf(world) }).toMatchObject({
        started: ['back-restore'],
        left: 0,
        phase: 'Succeeded',
      });
    }
  }
});
