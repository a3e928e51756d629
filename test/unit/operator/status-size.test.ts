import { describe, expect, it } from '@jest/globals';
import { conditionsOf } from '../../../src/cluster/conditions.ts';
import { ObjectsError } from '../../../src/cluster/objects.ts';
import { failed } from '../../../src/cluster/outcome.ts';
import type { Kind } from '../../../src/cluster/resource.ts';
import { encodeReport, type Report } from '../../../src/contract/report.ts';
import { backedUp, failedWith, policySpec, requestSpec, runSpec, World } from './world.ts';

const most = 16 * 1024;
const long = 'Ö'.repeat(50_000);
const longestName = 'n'.repeat(63);

const sizeOf = (world: World, kind: Kind, name: string): number => {
  const status = world.read(kind, name)?.status;
  expect(status).toBeDefined();
  return Buffer.byteLength(JSON.stringify(status));
};

function crowded(mode: 'standalone' | 'kubernetes' = 'kubernetes'): World {
  const world = new World(mode);
  const store = mode === 'kubernetes' ? { claimName: 'backups' } : { path: '/backups' };
  world.create('BackupPolicy', 'shop', {
    ...policySpec,
    stores: [{ name: 'main', filesystem: store }],
    ...(mode === 'kubernetes' && { toolImages: { dump: 'postgres:18' } }),
  });
  return world;
}

/** As it arrives, when a tool said more than fits into a report. */
const saidMuch = (): Report => JSON.parse(encodeReport({ ...failedWith('ToolFailed'), message: long } as Report));

describe('a status stays below 16 KiB', () => {
  it('of the grant that grants most', async () => {
    const world = new World();
    world.create('BackupGrant', 'all', {
      from: Array.from({ length: 64 }, (_, at) => ({ namespace: `${at}-`.padEnd(63, 'n') })),
      policies: Array.from({ length: 256 }, (_, at) => `${at}-`.padEnd(63, 'p')),
    });
    await world.settle('BackupGrant', 'all');
    expect(sizeOf(world, 'BackupGrant', 'all')).toBeLessThan(most);
  });

  it('of a run whose job is refused with a long text, while it waits and in the end', async () => {
    const world = crowded();
    world.create('BackupRun', 'now', runSpec);
    world.runner.start = () => Promise.reject(new ObjectsError('Forbidden', `admission webhook denied: ${long}`));
    await world.settle('BackupRun', 'now');
    expect(world.status('BackupRun', 'now')).toMatchObject({ phase: 'Starting' });
    expect(sizeOf(world, 'BackupRun', 'now')).toBeLessThan(most);
    await world.clock.advance(601_000);
    await world.settle('BackupRun', 'now');
    expect(world.status('BackupRun', 'now')).toMatchObject({ phase: 'Failed', failure: { reason: 'PodRefused' } });
    expect(sizeOf(world, 'BackupRun', 'now')).toBeLessThan(most);
  });

  it('of a run whose pod does not begin, for a long reason', async () => {
    const world = crowded();
    world.create('BackupRun', 'now', runSpec);
    await world.settle('BackupRun', 'now');
    world.set('now-1', { state: 'starting', waitingFor: { reason: 'ImageUnavailable', message: long } });
    await world.settle('BackupRun', 'now');
    expect(sizeOf(world, 'BackupRun', 'now')).toBeLessThan(most);
    await world.clock.advance(601_000);
    await world.settle('BackupRun', 'now');
    expect(world.status('BackupRun', 'now')).toMatchObject({
      attempts: [{ stopping: { reason: 'ImageUnavailable' } }],
    });
    expect(sizeOf(world, 'BackupRun', 'now')).toBeLessThan(most);
    world.end('now-1');
    await world.settle('BackupRun', 'now');
    expect(world.status('BackupRun', 'now')).toMatchObject({ phase: 'Failed' });
    expect(sizeOf(world, 'BackupRun', 'now')).toBeLessThan(most);
  });

  it('of a run whose image is none of very many that are allowed', async () => {
    const world = crowded();
    world.allowedImages = Array.from({ length: 1_000 }, (_, at) => `registry.example.com/${at}/`.padEnd(512, 'i'));
    world.create('BackupRun', 'now', runSpec);
    await world.settle('BackupRun', 'now');
    expect(world.status('BackupRun', 'now')).toMatchObject({ failure: { reason: 'ImageNotAllowed' } });
    expect(sizeOf(world, 'BackupRun', 'now')).toBeLessThan(most);
  });

  it('of a run and of a request whose tools said as much as fits into a report, and of the policy that tells of it', async () => {
    const world = crowded('standalone');
    const schedules = Array.from({ length: 16 }, (_, at) => ({
      ...policySpec.schedules[0],
      name: `s${at}`.padEnd(20, 's'),
      cron: '*/5 * * * *',
    }));
    world.create('BackupPolicy', longestName.slice(0, 50), { ...policySpec, schedules });
    const policy = longestName.slice(0, 50);
    await world.settle('BackupPolicy', policy);
    for (let at = 0; at < 3; at += 1) {
      await world.clock.advance(300_000);
      await world.visit('BackupPolicy', policy);
    }
    const name = 'r'.repeat(50);
    world.create('BackupRun', name, { ...runSpec, policyName: policy });
    // The runs of the schedules are not looked at: nobody is before this one in line.
    for (const [key, one] of world.stored) {
      if (one.kind === 'BackupRun' && one.metadata.name !== name)
        world.stored.set(key, { ...one, status: { phase: 'Pending' } });
    }
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      await world.settle('BackupRun', name);
      const task = world.started.at(-1) ?? '';
      world.end(task, { ...saidMuch(), reason: 'ServerLost' } as Report);
      await world.settle('BackupRun', name);
      await world.clock.advance(60_000);
    }
    expect(world.status('BackupRun', name)).toMatchObject({ phase: 'Failed', attempts: [{}, {}] });
    expect(sizeOf(world, 'BackupRun', name)).toBeLessThan(most);
    await world.settle('BackupPolicy', policy);
    expect(world.status('BackupPolicy', policy)).toMatchObject({ lastRun: {}, schedules: { length: 16 } });
    expect(sizeOf(world, 'BackupPolicy', policy)).toBeLessThan(most);

    const good = world.create('BackupRun', 'good', runSpec);
    const { set } = backedUp('uid-of-good') as Extract<Report, { outcome: 'backed-up' }>;
    world.stored.set('BackupRun/good', { ...good, status: { phase: 'Succeeded', set: { store: 'main', ...set } } });
    world.create('RestoreRequest', 'back', requestSpec);
    await world.settle('RestoreRequest', 'back');
    world.end('back-restore', saidMuch());
    await world.settle('RestoreRequest', 'back');
    expect(world.status('RestoreRequest', 'back')).toMatchObject({ phase: 'Failed' });
    expect(sizeOf(world, 'RestoreRequest', 'back')).toBeLessThan(most);
  });

  it('of a request and of a run whose tasks ended without a word, and with many of the kubelet', async () => {
    const world = crowded('standalone');
    const good = world.create('BackupRun', 'good', runSpec);
    const { set } = backedUp('uid-of-good') as Extract<Report, { outcome: 'backed-up' }>;
    world.stored.set('BackupRun/good', { ...good, status: { phase: 'Succeeded', set: { store: 'main', ...set } } });
    world.create('RestoreRequest', 'back', requestSpec);
    await world.settle('RestoreRequest', 'back');
    world.set('back-restore', { state: 'ended', detail: long });
    await world.settle('RestoreRequest', 'back');
    expect(world.status('RestoreRequest', 'back')).toMatchObject({ phase: 'Failed', failure: { reason: 'AgentLost' } });
    expect(sizeOf(world, 'RestoreRequest', 'back')).toBeLessThan(most);
    world.create('BackupRun', 'now', runSpec);
    await world.settle('BackupRun', 'now');
    world.set('now-1', { state: 'ended', detail: long });
    await world.settle('BackupRun', 'now');
    world.set('now-1-inspect', { state: 'ended', detail: long });
    await world.settle('BackupRun', 'now');
    expect(world.status('BackupRun', 'now')).toMatchObject({ attempts: [{ inspection: { outcome: 'AgentLost' } }] });
    expect(sizeOf(world, 'BackupRun', 'now')).toBeLessThan(most);
  });

  it('of any object whose visit failed with a long text', () => {
    const conditions = conditionsOf(failed(new ObjectsError('Unavailable', long)), []);
    expect(Buffer.byteLength(JSON.stringify(conditions))).toBeLessThan(most / 2);
  });
});
