import { describe, expect, it } from '@jest/globals';
import type { BackupRunStatus } from '../../../../src/api/backup-run.ts';
import type { RestoreRequestStatus } from '../../../../src/api/restore-request.ts';
import type { Report } from '../../../../src/contract/report.ts';
import { describeWait } from '../../../../src/operator/turn/describe.ts';
import type { Entry } from '../../../../src/operator/turn/line.ts';
import { backedUp, failedWith, policySpec, requestSpec, runSpec, World } from '../world.ts';

const runStatus = (world: World, name: string): BackupRunStatus => world.status('BackupRun', name);
const requestStatus = (world: World): RestoreRequestStatus => world.status('RestoreRequest', 'back');

/** Policies on servers of their own, or all on the one that is given. */
function addPolicy(world: World, name: string, host = `${name}.example.com`): void {
  const store = { name: 'main', filesystem: { path: `/backups/${name}` } };
  world.create('BackupPolicy', name, { ...policySpec, target: { ...policySpec.target, host }, stores: [store] });
}

const addRun = (world: World, name: string, policyName = 'shop', more: object = {}): void =>
  void world.create('BackupRun', name, { ...runSpec, policyName }, more);

function withBackup(world: World): void {
  addPolicy(world, 'shop', 'db');
  const run = world.create('BackupRun', 'good', runSpec);
  const { set } = backedUp('uid-of-good') as Extract<Report, { outcome: 'backed-up' }>;
  world.stored.set('BackupRun/good', { ...run, status: { phase: 'Succeeded', set: { store: 'main', ...set } } });
}

const running = (world: World): string[] =>
  [...world.tasks].filter(([, { observation }]) => observation.state !== 'ended').map(([name]) => name);

describe('on one server', () => {
  it('a restore and a backup do not work at once: the backup waits, and says for whom', async () => {
    const world = new World();
    withBackup(world);
    world.create('RestoreRequest', 'back', requestSpec);
    await world.settle('RestoreRequest', 'back');
    addRun(world, 'now');
    expect(await world.settle('BackupRun', 'now')).toEqual({
      kind: 'after',
      ms: 30_000,
      reason: 'Pending',
      message: 'request back goes first: one task at a time works on the server db:5432, place 1 in line',
    });
    expect(world.started).toEqual(['back-restore']);
    world.end('back-restore', failedWith('TargetNotEmpty'));
    await world.settle('RestoreRequest', 'back');
    await world.settle('BackupRun', 'now');
    expect(world.started).toEqual(['back-restore', 'now-1']);
  });

  it('a restore does not stop a backup that runs, says how to, and goes before the next one', async () => {
    const world = new World();
    withBackup(world);
    addRun(world, 'now');
    await world.settle('BackupRun', 'now');
    addRun(world, 'next');
    await world.clock.advance(1_000);
    world.create('RestoreRequest', 'back', requestSpec);
    await world.settle('BackupRun', 'next');
    expect(await world.settle('RestoreRequest', 'back')).toMatchObject({
      kind: 'after',
      message: expect.stringMatching(/^run now goes first: .* not stopped for a restore, but may be deleted$/),
    });
    expect(requestStatus(world)).toMatchObject({ phase: 'Validating', turn: { server: 'db:5432' } });
    world.end('now-1', backedUp());
    await world.settle('BackupRun', 'now');
    await world.settle('BackupRun', 'next');
    await world.settle('RestoreRequest', 'back');
    expect(world.started).toEqual(['now-1', 'back-restore']);
  });

  it('backups of two policies go one at a time', async () => {
    const world = new World();
    addPolicy(world, 'one', 'db');
    addPolicy(world, 'two', 'DB.');
    addRun(world, 'a', 'one');
    addRun(world, 'b', 'two');
    await world.settle('BackupRun', 'a');
    await world.settle('BackupRun', 'b');
    expect(world.started).toEqual(['a-1']);
  });

  it('a run between its two attempts keeps the server', async () => {
    const world = new World();
    addPolicy(world, 'shop');
    addRun(world, 'a');
    addRun(world, 'b');
    await world.settle('BackupRun', 'a');
    world.end('a-1', failedWith('ServerLost'));
    await world.settle('BackupRun', 'a');
    expect(runStatus(world, 'a').phase).toBe('Pending');
    await world.settle('BackupRun', 'b');
    expect(world.started).toEqual(['a-1']);
  });

  it('one of another namespace is not named', async () => {
    const world = new World();
    addPolicy(world, 'shop', 'db');
    const other = world.create('BackupRun', 'secret', runSpec, { namespace: 'vault' });
    const status = { phase: 'Running', turn: { server: 'db:5432', store: 'x' }, attempts: [{}] };
    world.stored.set('BackupRun/vault/secret', { ...other, status });
    addRun(world, 'now');
    const outcome = await world.settle('BackupRun', 'now');
    expect(outcome).toMatchObject({ message: expect.stringMatching(/^one of another namespace goes first: /) });
    expect(JSON.stringify([outcome, runStatus(world, 'now')])).not.toMatch(/secret|vault/);
  });

  it('those looked at in the same moment never both work, wherever the operator is killed', async () => {
    const drive = async (killAt?: World['killAt']): Promise<World> => {
      const world = new World();
      world.killAt = killAt;
      withBackup(world);
      addRun(world, 'a');
      addRun(world, 'b');
      world.create('RestoreRequest', 'back', requestSpec);
      const isOver = (): boolean =>
        [runStatus(world, 'a').phase, runStatus(world, 'b').phase, requestStatus(world).phase].every(
          (phase) => phase === 'Succeeded' || phase === 'Failed',
        );
      for (let round = 0; round < 60 && !isOver(); round += 1) {
        await Promise.all([
          world.visit('BackupRun', 'b'),
          world.visit('BackupRun', 'a'),
          world.visit('RestoreRequest', 'back'),
        ]);
        const names = running(world);
        expect(names.length).toBeLessThanOrEqual(1);
        const [name] = names;
        if (name !== undefined && round % 3 === 0)
          world.end(name, name === 'back-restore' ? failedWith('TargetNotEmpty') : backedUp(`uid-of-${name[0]}`));
        await world.clock.advance(1_000);
      }
      expect(isOver()).toBe(true);
      return world;
    };
    const { calls } = await drive();
    for (let call = 1; call <= calls; call += 1) {
      const when = call % 2 === 0 ? 'before' : 'after';
      const { started } = await drive({ call, when });
      expect({ call, when, started: started.sort() }).toEqual({ call, when, started: ['a-1', 'b-1', 'back-restore'] });
    }
  });
});

describe('a turn that cannot be used is given back', () => {
  async function claimed(): Promise<World> {
    const world = new World();
    addPolicy(world, 'shop', 'db');
    addPolicy(world, 'other', 'db');
    addRun(world, 'now', 'shop', { finalizers: ['somebody.else/s'] });
    addRun(world, 'next', 'other');
    await world.visit('BackupRun', 'now');
    expect(runStatus(world, 'now').turn).toMatchObject({ claimedAt: expect.any(String) });
    return world;
  }

  it.each([
    [
      'the policy is suspended',
      (world: World) => void world.create('BackupPolicy', 'shop', { ...policySpec, suspend: true }),
    ],
    ['the policy is gone', (world: World) => void world.stored.delete('BackupPolicy/shop')],
    ['the run is deleted, and somebody else holds it', (world: World) => world.markDeleted('BackupRun', 'now')],
    ['the policy has another server now', (world: World) => addPolicy(world, 'shop', 'elsewhere')],
  ])('when %s', async (_what, change) => {
    const world = await claimed();
    change(world);
    await world.visit('BackupRun', 'now');
    await world.settle('BackupRun', 'next');
    expect(world.started).toEqual(['next-1']);
  });

  it('and does not stay in the status of a run that is over', async () => {
    const world = await claimed();
    await world.settle('BackupRun', 'now');
    world.end('now-1', backedUp());
    await world.settle('BackupRun', 'now');
    expect(runStatus(world, 'now')).toMatchObject({ phase: 'Succeeded' });
    expect(runStatus(world, 'now').turn).toBeUndefined();
  });
});

describe('50 policies due in the same second, with a limit of 5', () => {
  it.each([
    ['the operator', { runs: 5, runsPerStore: 0 }, 'limits.concurrentRuns'],
    ['the store', { runs: 0, runsPerStore: 5 }, 'limits.concurrentRunsPerStore'],
  ])('of %s never make more than 5 tasks at once, and all finish', async (_what, limits, named) => {
    const world = new World();
    world.limits = limits;
    const names = Array.from({ length: 50 }, (_, at) => `p${String(at).padStart(2, '0')}`);
    for (const name of names) {
      const target = { ...policySpec.target, host: name };
      world.create('BackupPolicy', name, { ...policySpec, target });
      addRun(world, `run-${name}`, name);
    }
    const isOver = (name: string): boolean => runStatus(world, `run-${name}`).phase === 'Succeeded';
    const settleAll = () => Promise.all(names.map((name) => world.settle('BackupRun', `run-${name}`)));
    await settleAll();
    // Those that claimed in the same moment as others look again when the others have stepped back.
    await settleAll();
    expect(running(world)).toHaveLength(5);
    const waiting = names.map((name) => runStatus(world, `run-${name}`)).filter(({ phase }) => phase === 'Pending');
    expect(waiting).toHaveLength(45);
    for (const { conditions } of waiting) {
      expect(conditions?.[0]?.message).toMatch(new RegExp(`${named}\\).*place ([1-9]|10|more than [1-5]0) in line$`));
    }
    for (let round = 0; round < 60 && !names.every(isOver); round += 1) {
      for (const task of running(world).slice(0, 2)) world.end(task, backedUp(`uid-of-${task.replace(/-1$/, '')}`));
      await Promise.all(names.filter((name) => !isOver(name)).map((name) => world.settle('BackupRun', `run-${name}`)));
      expect(running(world).length).toBeLessThanOrEqual(5);
      await world.clock.advance(1_000);
    }
    expect(names.filter((name) => !isOver(name))).toEqual([]);
    expect(world.started).toHaveLength(50);
  });
});

it.each([
  [1, 'place 1 in line'],
  [10, 'place 10 in line'],
  [11, 'place more than 10 in line'],
  [20, 'place more than 10 in line'],
  [21, 'place more than 20 in line'],
  [1_990, 'place more than 1000 in line'],
  [70_000, 'place more than 5000 in line'],
])('place %i is told as "%s": few texts, because each is a write', (place, text) => {
  const me = { namespace: 'prod', kind: 'BackupRun' } as Entry;
  expect(describeWait(me, { kind: 'wait', for: 'operator', behind: undefined, place })).toContain(text);
});
