import { describe, expect, it, jest } from '@jest/globals';
import type { BackupRunStatus } from '../../../src/api/backup-run.ts';
import { taskFinalizer } from '../../../src/api/names.ts';
import type { TaskSpec } from '../../../src/cluster/runner.ts';
import { backedUp, failedWith, Killed, policySpec, runSpec, World } from './world.ts';

const minutes = (count: number): number => count * 60_000;
const statusOf = (world: World, name = 'now'): BackupRunStatus => world.status('BackupRun', name);
const settle = (world: World, name = 'now') => world.settle('BackupRun', name);

function created(world = new World()): World {
  world.create('BackupPolicy', 'shop', policySpec);
  world.create('BackupRun', 'now', runSpec);
  return world;
}

async function running(): Promise<World> {
  const world = created();
  await settle(world);
  return world;
}

/** Goes on, with time, until the run is over or `rounds` are up; what ends a task is up to the caller. */
async function goOn(world: World, rounds = 10, act: () => void = () => undefined): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    act();
    await world.clock.advance(31_000);
    await settle(world);
  }
}

describe('a run that goes well', () => {
  it('has its intent in the status before its task is asked for', async () => {
    const world = created();
    await world.visit('BackupRun', 'now');
    expect(statusOf(world)).toMatchObject({ phase: 'Pending', turn: { claimedAt: '2026-03-01T12:00:00Z' } });
    await world.visit('BackupRun', 'now');
    expect({ started: world.started, status: statusOf(world) }).toMatchObject({
      started: [],
      status: { phase: 'Starting', currentTask: 'now-1', attempts: [{ number: 1, startedAt: '2026-03-01T12:00:00Z' }] },
    });
    expect(world.read('BackupRun', 'now')?.metadata.finalizers).toEqual([taskFinalizer]);
  });

  it('succeeds with what the report says, then its task and its finalizer go', async () => {
    const world = await running();
    await world.clock.advance(5_000);
    await settle(world);
    expect(statusOf(world).phase).toBe('Running');
    await world.clock.advance(60_000);
    world.end('now-1', backedUp());
    await settle(world);
    expect(statusOf(world)).toMatchObject({
      phase: 'Succeeded',
      size: '977 KiB',
      duration: '1m5s',
      set: { store: 'main', manifestSha256: 'ff' },
      conditions: [{ type: 'Ready', status: 'True', reason: 'Succeeded' }],
      attempts: [{ number: 1, outcome: 'Succeeded' }],
    });
    expect(statusOf(world)).not.toHaveProperty('currentTask');
    expect(world.tasks.size).toBe(0);
    expect(world.read('BackupRun', 'now')?.metadata.finalizers).toEqual([]);
  });

  it('never changes again, whatever happens to policy and task', async () => {
    const world = await running();
    world.end('now-1', backedUp());
    await settle(world);
    const over = world.read('BackupRun', 'now');
    world.stored.delete('BackupPolicy/shop');
    await world.clock.advance(minutes(60));
    await settle(world);
    expect(world.read('BackupRun', 'now')).toEqual(over);
  });

  it('does so although its policy was deleted meanwhile', async () => {
    const world = await running();
    world.stored.delete('BackupPolicy/shop');
    await world.clock.advance(5_000);
    await settle(world);
    expect(statusOf(world).phase).toBe('Running');
    world.end('now-1', backedUp());
    await settle(world);
    expect(statusOf(world).phase).toBe('Succeeded');
  });

  it('asks for the task that the policy describes', async () => {
    const world = await running();
    const spec = world.tasks.get('now-1')?.spec;
    expect(spec?.task('/root')).toMatchObject({
      verb: 'backup',
      object: 'prod/now',
      runUid: 'uid-of-now',
      owner: { clusterId: 'here', namespace: 'prod', policy: 'shop' },
      compression: { algorithm: 'Zstd', level: 3 },
      store: { kind: 'filesystem', path: '/backups' },
      server: { host: 'db', port: 5432, password: { mount: 'backup', key: 'password' } },
      dump: { database: 'shop' },
    });
    expect(spec).toMatchObject({ tool: {}, secrets: [{ mount: 'backup', secretName: 'shop-backup' }] });
  });
});

describe('whatever call the operator is killed at, the run converges', () => {
  const drive = async (world: World): Promise<World> => {
    world.create('BackupPolicy', 'shop', policySpec);
    world.create('BackupRun', 'now', runSpec);
    for (let visits = 0; visits < 20; visits += 1) {
      await world.visit('BackupRun', 'now');
      if (world.tasks.get('now-1')?.observation.state === 'running' && visits > 6) world.end('now-1', backedUp());
      await world.clock.advance(1_000);
    }
    return world;
  };

  it('to one task and one success', async () => {
    const { calls } = await drive(new World());
    for (let call = 1; call <= calls; call += 1) {
      for (const when of ['before', 'after'] as const) {
        const world = new World();
        world.killAt = { call, when };
        await drive(world);
        expect({ call, when, started: world.started, left: world.tasks.size, ...statusOf(world) }).toMatchObject({
          started: ['now-1'],
          left: 0,
          phase: 'Succeeded',
        });
        expect(statusOf(world).attempts).toHaveLength(1);
      }
    }
  });
});

describe('a task that ends without a report', () => {
  it('is inspected, and a manifest in the store is a success', async () => {
    const world = await running();
    world.end('now-1');
    await settle(world);
    expect(world.started).toEqual(['now-1', 'now-1-inspect']);
    expect(world.tasks.get('now-1-inspect')?.spec).toMatchObject({ tool: undefined, secrets: [] });
    world.end('now-1-inspect', backedUp());
    await settle(world);
    expect(statusOf(world)).toMatchObject({ phase: 'Succeeded', attempts: [{ number: 1, outcome: 'Succeeded' }] });
    expect(world.tasks.size).toBe(0);
  });

  it('or with that of another run of the same name is inspected', async () => {
    const world = await running();
    world.end('now-1', backedUp('uid-of-one-that-was-forced-away'));
    await settle(world);
    expect(world.started).toEqual(['now-1', 'now-1-inspect']);
  });

  it('or with one that does not know whether the manifest was written is inspected, not tried again', async () => {
    const world = await running();
    world.end('now-1', { outcome: 'unknown', message: 'the answer is lost' });
    await settle(world);
    expect(world.started).toEqual(['now-1', 'now-1-inspect']);
    world.end('now-1-inspect', backedUp());
    await settle(world);
    expect(statusOf(world)).toMatchObject({ phase: 'Succeeded', attempts: [{ number: 1, outcome: 'Succeeded' }] });
  });

  it('is tried once more when the store holds no manifest, and then no more', async () => {
    const world = await running();
    await goOn(world, 12, () => {
      for (const [name, { observation }] of world.tasks) {
        if (observation.state === 'running')
          world.end(name, name.endsWith('inspect') ? { outcome: 'no-manifest' } : undefined);
      }
    });
    expect(world.started).toEqual(['now-1', 'now-1-inspect', 'now-2', 'now-2-inspect']);
    expect(statusOf(world)).toMatchObject({
      phase: 'Failed',
      failure: { reason: 'AgentLost' },
      attempts: [{ outcome: 'AgentLost' }, { outcome: 'AgentLost' }],
    });
  });

  it('or because somebody else stopped it, such as a drained node, is inspected and tried once more', async () => {
    const world = await running();
    world.end('now-1', failedWith('Stopped'));
    await settle(world);
    expect(world.started).toEqual(['now-1', 'now-1-inspect']);
    world.end('now-1-inspect', { outcome: 'no-manifest' });
    await goOn(world, 3, () => {});
    expect(world.started).toEqual(['now-1', 'now-1-inspect', 'now-2']);
  });

  it('and was seen only by an operator that could not write down its start is not started again', async () => {
    const world = created();
    await world.visit('BackupRun', 'now');
    const start = world.runner.start.bind(world.runner);
    Object.assign(world.runner, {
      start: async (spec: TaskSpec) => {
        await start(spec);
        throw new Killed();
      },
    });
    await world.visit('BackupRun', 'now');
    expect(statusOf(world).attempts?.[0]?.acceptedAt).toBeUndefined();
    Object.assign(world.runner, { start });
    await world.visit('BackupRun', 'now');
    world.tasks.delete('now-1');
    await world.visit('BackupRun', 'now');
    await settle(world);
    expect(world.started).toEqual(['now-1', 'now-1-inspect']);
  });

  it('that nobody started in time, because the operator was away, gets its second attempt', async () => {
    const world = created();
    while (statusOf(world).attempts === undefined) await world.visit('BackupRun', 'now');
    await world.clock.advance(3_600_000);
    await goOn(world, 4, () => {});
    expect(world.started).toEqual(['now-2']);
  });

  it('and vanished altogether is inspected, too, and not started again', async () => {
    const world = await running();
    world.tasks.delete('now-1');
    await world.clock.advance(5_000);
    await settle(world);
    expect(world.started).toEqual(['now-1', 'now-1-inspect']);
  });

  it('is inspected again while the store does not answer, and never blindly repeated', async () => {
    const world = await running();
    world.end('now-1');
    await goOn(world, 40, () => {
      for (const [name, { observation }] of world.tasks) {
        if (name !== 'now-1' && observation.state === 'running') world.end(name, failedWith('StoreUnreachable'));
      }
    });
    expect(world.started).toEqual(['now-1', ...['', '-2', '-3', '-4', '-5'].map((end) => `now-1-inspect${end}`)]);
    expect(statusOf(world)).toMatchObject({ phase: 'Failed', failure: { reason: 'StoreUnreachable' } });
    expect(statusOf(world).failure?.message).toMatch(/^it is not known whether/);
  });
});

describe('a task that failed', () => {
  it('by an accident is tried once more under a new name', async () => {
    const world = await running();
    world.end('now-1', failedWith('ServerLost'));
    await settle(world);
    expect(statusOf(world)).toMatchObject({ phase: 'Pending', attempts: [{ outcome: 'ServerLost' }] });
    expect(world.started).toEqual(['now-1']);
    await world.clock.advance(5_000);
    await settle(world);
    expect(world.started).toEqual(['now-1', 'now-2']);
    world.end('now-2', backedUp());
    await settle(world);
    expect(statusOf(world)).toMatchObject({
      phase: 'Succeeded',
      attempts: [{ outcome: 'ServerLost' }, { outcome: 'Succeeded' }],
    });
    expect(statusOf(world)).not.toHaveProperty('failure');
    expect(world.tasks.size).toBe(0);
  });

  it('for a reason that needs a person is not tried again', async () => {
    const world = await running();
    world.end('now-1', failedWith('AuthenticationFailed'));
    await goOn(world, 3);
    expect(world.started).toEqual(['now-1']);
    expect(statusOf(world)).toMatchObject({
      phase: 'Failed',
      failure: { reason: 'AuthenticationFailed', message: 'it broke', hint: 'Mend it.' },
      conditions: [
        { type: 'Ready', status: 'False', reason: 'AuthenticationFailed' },
        { type: 'Stalled', status: 'True', reason: 'AuthenticationFailed' },
      ],
    });
  });
});

describe('deadlines', () => {
  const held = {
    state: 'starting',
    waitingFor: { reason: 'SecretMissing', message: 'shop-backup, key password' },
  } as const;

  it('a task that waits for a secret says so at once, and is stopped when its time to start is over', async () => {
    const world = await running();
    world.set('now-1', held);
    await world.clock.advance(5_000);
    await settle(world);
    expect(statusOf(world).conditions).toMatchObject([
      { reason: 'SecretMissing', message: 'shop-backup, key password' },
      {},
    ]);
    await world.clock.advance(minutes(10));
    const first = await world.visit('BackupRun', 'now');
    expect({ first, stopped: world.tasks.get('now-1')?.stopped, attempts: statusOf(world).attempts }).toMatchObject({
      first: { ms: 0 },
      stopped: false,
      attempts: [{ stopping: { reason: 'SecretMissing' } }],
    });
    await settle(world);
    expect(world.tasks.get('now-1')?.stopped).toBe(true);
    world.end('now-1');
    await settle(world);
    expect(statusOf(world)).toMatchObject({ phase: 'Failed', failure: { reason: 'SecretMissing' } });
    expect(statusOf(world).failure?.message).toBe('the task did not begin within 10m: shop-backup, key password');
  });

  it('a task that runs too long is stopped; what it left is looked up, because it may have been done', async () => {
    const world = await running();
    await world.clock.advance(5_000);
    await settle(world);
    await world.clock.advance(minutes(12 * 60) + 1_000);
    await settle(world);
    expect(world.tasks.get('now-1')?.stopped).toBe(true);
    world.end('now-1');
    await settle(world);
    world.end('now-1-inspect', { outcome: 'no-manifest' });
    await settle(world);
    expect(statusOf(world)).toMatchObject({ phase: 'Failed', failure: { reason: 'DeadlineExceeded' } });
  });

  const suspended = {
    state: 'starting',
    waitingFor: { reason: 'PodRefused', message: 'somebody suspended the job' },
  } as const;

  it('a task that somebody suspended in mid run waits no longer than one that never began, and is looked up', async () => {
    const world = await running();
    await world.clock.advance(5_000);
    await settle(world);
    world.set('now-1', suspended);
    await world.clock.advance(5_000);
    expect(await settle(world)).toMatchObject({ kind: 'waiting', reason: 'PodRefused' });
    await world.clock.advance(minutes(10));
    await settle(world);
    expect({ stopped: world.tasks.get('now-1')?.stopped, attempts: statusOf(world).attempts }).toMatchObject({
      stopped: true,
      attempts: [{ stopping: { reason: 'Stopped', message: 'the task lost its pod: somebody suspended the job' } }],
    });
    world.end('now-1');
    await settle(world);
    world.end('now-1-inspect', { outcome: 'no-manifest' });
    await goOn(world, 3);
    expect(statusOf(world)).toMatchObject({
      phase: 'Failed',
      failure: { reason: 'Stopped', message: 'the task lost its pod: somebody suspended the job' },
    });
    expect({ started: world.started, left: world.tasks.size }).toEqual({
      started: ['now-1', 'now-1-inspect'],
      left: 0,
    });
  });

  it('a task that goes on before its time to start is over runs as if nobody had suspended it', async () => {
    const world = await running();
    world.set('now-1', suspended);
    await world.clock.advance(minutes(9));
    await settle(world);
    world.set('now-1', { state: 'running' });
    await world.clock.advance(minutes(2));
    await settle(world);
    expect(statusOf(world)).toMatchObject({ phase: 'Running', conditions: [{ reason: 'Running' }, {}] });
    expect(world.tasks.get('now-1')?.stopped).toBe(false);
  });

  it('a running deadline does not count the time that the task waited to begin', async () => {
    const world = await running();
    world.set('now-1', { state: 'starting' });
    await world.clock.advance(minutes(9));
    await settle(world);
    world.set('now-1', { state: 'running' });
    await world.clock.advance(minutes(0.5));
    await settle(world);
    await world.clock.advance(minutes(12 * 60 - 5));
    await settle(world);
    expect(statusOf(world).phase).toBe('Running');
  });
});

describe('a run that cannot begin', () => {
  it('waits for its policy, and fails when none comes', async () => {
    const world = new World();
    world.create('BackupRun', 'now', runSpec);
    await settle(world);
    expect(statusOf(world)).toMatchObject({ phase: 'Pending', conditions: [{ reason: 'ReferenceMissing' }, {}] });
    await world.clock.advance(minutes(10));
    await settle(world);
    expect(statusOf(world)).toMatchObject({ phase: 'Failed', failure: { reason: 'ReferenceMissing' } });
  });

  it('asks the server for a policy that is missing only when that is about to fail it', async () => {
    const world = new World();
    world.create('BackupRun', 'now', runSpec);
    const get = jest.spyOn(world.objects, 'get');
    const asked = () => new Set(get.mock.calls.flatMap(([kind, , how]) => (kind === 'BackupPolicy' ? [how] : [])));
    await settle(world);
    expect(asked()).toEqual(new Set(['remembered']));
    get.mockClear();
    await world.clock.advance(minutes(10));
    await settle(world);
    expect(asked()).toEqual(new Set(['sure']));
  });

  it('fails at once for a policy that can mean nothing here', async () => {
    const world = new World();
    world.create('BackupPolicy', 'shop', {
      ...policySpec,
      target: { ...policySpec.target, host: undefined, service: 'db' },
    });
    world.create('BackupRun', 'now', runSpec);
    await settle(world);
    expect(statusOf(world).failure).toMatchObject({
      reason: 'NotSupportedHere',
      message: 'BackupPolicy shop: spec.target.service has no meaning in standalone',
    });
  });

  it('waits while the policy is suspended', async () => {
    const world = await running();
    world.create('BackupPolicy', 'shop', { ...policySpec, suspend: true });
    world.create('BackupRun', 'later', runSpec);
    expect(await settle(world, 'later')).toMatchObject({ kind: 'after', reason: 'Suspended' });
  });

  it('waits for the run of the same policy that is ahead, and goes when that is over', async () => {
    const world = await running();
    world.create('BackupRun', 'second', runSpec);
    await settle(world, 'second');
    expect(statusOf(world, 'second')).toMatchObject({ phase: 'Pending', conditions: [{ reason: 'Pending' }, {}] });
    expect(world.started).toEqual(['now-1']);
    world.end('now-1', failedWith('StoreFull'));
    await settle(world);
    await settle(world, 'second');
    expect(world.started).toEqual(['now-1', 'second-1']);
  });

  it('waits for a younger one that has begun already', async () => {
    const world = await running();
    world.create('BackupRun', 'older', runSpec, { creationTimestamp: '2026-03-01T11:00:00Z' });
    expect(await settle(world, 'older')).toMatchObject({ kind: 'after', reason: 'Pending' });
    expect(world.started).toEqual(['now-1']);
  });

  it('two runs that are looked at in turns never both go first', async () => {
    const world = new World();
    world.create('BackupPolicy', 'shop', policySpec);
    world.create('BackupRun', 'b', runSpec);
    world.create('BackupRun', 'a', runSpec);
    for (let round = 0; round < 5; round += 1) {
      await world.visit('BackupRun', 'b');
      await world.visit('BackupRun', 'a');
    }
    expect(world.started).toEqual(['a-1']);
  });
});

describe('a run that is deleted', () => {
  it('stops and removes its task before it goes', async () => {
    const world = await running();
    world.markDeleted('BackupRun', 'now');
    await settle(world);
    expect(world.tasks.size).toBe(0);
    expect(world.read('BackupRun', 'now')).toBeUndefined();
  });

  it('before it began goes at once', async () => {
    const world = new World();
    world.create('BackupRun', 'now', runSpec);
    await settle(world);
    world.markDeleted('BackupRun', 'now');
    expect(world.read('BackupRun', 'now')).toBeUndefined();
  });

  it('keeps somebody else’s finalizer', async () => {
    const world = new World();
    world.create('BackupPolicy', 'shop', policySpec);
    world.create('BackupRun', 'now', runSpec, { finalizers: ['example.com/theirs'] });
    await settle(world);
    world.markDeleted('BackupRun', 'now');
    await settle(world);
    expect(world.read('BackupRun', 'now')?.metadata.finalizers).toEqual(['example.com/theirs']);
  });

  it('gives up on a task that does not end, with an event', async () => {
    const world = await running();
    Object.assign(world.runner, { remove: async () => undefined });
    world.markDeleted('BackupRun', 'now');
    expect(await settle(world)).toMatchObject({ kind: 'after', reason: 'Stopping' });
    await world.clock.advance(minutes(11));
    await settle(world);
    expect(world.read('BackupRun', 'now')).toBeUndefined();
    expect(world.events.at(-1)).toMatchObject({ type: 'Warning', reason: 'Stopping' });
  });
});
