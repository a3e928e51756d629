import { describe, expect, it } from '@jest/globals';
import type { BackupRunStatus } from '../../../src/api/backup-run.ts';
import type { RestoreRequestStatus } from '../../../src/api/restore-request.ts';
import type { Kind } from '../../../src/cluster/resource.ts';
import { backedUp, failedWith, policySpec, requestSpec, runSpec, World } from './world.ts';

const brief = { runningDeadline: '20s' };
const task = { run: 'now-1', request: 'back-restore' };

interface Story {
  kind: Kind;
  name: string;
  begin(world: World): void;
  /** What the rest of the world does in this second. */
  act(world: World, second: number): void;
}

function beginRun(world: World): void {
  world.create('BackupPolicy', 'shop', { ...policySpec, ...brief });
  world.create('BackupRun', 'now', runSpec);
}

function beginRequest(world: World): void {
  beginRun(world);
  const run = world.read('BackupRun', 'now')!;
  const report = backedUp();
  const set = report.outcome === 'backed-up' ? { store: 'main', ...report.set } : undefined;
  world.stored.set('BackupRun/now', { ...run, status: { phase: 'Succeeded', set } });
  world.create('RestoreRequest', 'back', { ...requestSpec, ...brief });
}

/** An agent that is asked to stop does. Nobody is asked before the status says why. */
function obey(world: World, name: string, isWritten: () => boolean): void {
  const asked = world.tasks.get(name);
  if (asked?.stopped !== true || asked.observation.state === 'ended') return;
  expect(isWritten()).toBe(true);
  world.end(name, failedWith('Stopped'));
}

async function tell({ kind, name, begin, act }: Story, kill?: World['killAt']): Promise<World> {
  const world = new World();
  world.killAt = kill;
  begin(world);
  for (let second = 0, quiet = 0; second < 90 && quiet < 3; second += 1) {
    await world.visit(kind, name);
    act(world, second);
    await world.clock.advance(1_000);
    quiet = isOver(world, kind, name) ? quiet + 1 : 0;
  }
  return world;
}

function isOver(world: World, kind: Kind, name: string): boolean {
  const { phase } = world.status<{ phase?: string }>(kind, name);
  const isAtRest = world.read(kind, name) === undefined || phase === 'Succeeded' || phase === 'Failed';
  return isAtRest && world.tasks.size === 0;
}

/** Tells the story once for each call of a port, with the operator killed before and after its effect. */
async function tellWithEveryKill(story: Story, expectEnd: (world: World) => void): Promise<void> {
  const whole = await tell(story);
  expectEnd(whole);
  for (let call = 1; call <= Math.min(whole.calls, 160); call += 1) {
    for (const when of ['before', 'after'] as const) {
      const world = await tell(story, { call, when });
      expectEnd(world);
    }
  }
}

const runStatus = (world: World): BackupRunStatus => world.status('BackupRun', 'now');
const requestStatus = (world: World): RestoreRequestStatus => world.status('RestoreRequest', 'back');
const runTold = { kind: 'BackupRun', name: 'now', begin: beginRun } as const;
const requestTold = { kind: 'RestoreRequest', name: 'back', begin: beginRequest } as const;

describe('wherever the operator is killed, a run', () => {
  it('whose task ends without a word is looked for once in the store, and then tried once more', async () => {
    const act = (world: World): void => {
      for (const [name, { observation }] of world.tasks) {
        if (observation.state !== 'running') continue;
        if (name === 'now-2') world.end(name, backedUp());
        else world.end(name, name.endsWith('inspect') ? { outcome: 'no-manifest' } : undefined);
      }
    };
    await tellWithEveryKill({ ...runTold, act }, (world) => {
      expect({ started: world.started, left: world.tasks.size, ...runStatus(world) }).toMatchObject({
        started: ['now-1', 'now-1-inspect', 'now-2'],
        left: 0,
        phase: 'Succeeded',
        attempts: [{ outcome: 'AgentLost' }, { outcome: 'Succeeded' }],
      });
    });
  });

  it('whose time is over says so, and is stopped only then', async () => {
    const act = (world: World): void =>
      obey(world, task.run, () => runStatus(world).attempts?.[0]?.stopping !== undefined);
    await tellWithEveryKill({ ...runTold, act }, (world) => {
      expect({ started: world.started, left: world.tasks.size, ...runStatus(world) }).toMatchObject({
        started: [task.run],
        left: 0,
        phase: 'Failed',
        failure: { reason: 'DeadlineExceeded' },
      });
    });
  });

  it('that is deleted goes, and its task before it', async () => {
    const act = (world: World, second: number): void => {
      if (second === 8) world.markDeleted('BackupRun', 'now');
      obey(world, task.run, () => world.read('BackupRun', 'now')?.metadata.deletionTimestamp !== undefined);
      if (world.read('BackupRun', 'now') === undefined) expect(world.tasks.size).toBe(0);
    };
    await tellWithEveryKill({ ...runTold, act }, (world) => {
      expect({ run: world.read('BackupRun', 'now'), left: world.tasks.size }).toEqual({ run: undefined, left: 0 });
    });
  });
});

describe('wherever the operator is killed, a request', () => {
  it('whose task ends without a word fails, and is never tried again', async () => {
    const act = (world: World): void => {
      if (world.tasks.get(task.request)?.observation.state === 'running') world.end(task.request);
    };
    await tellWithEveryKill({ ...requestTold, act }, (world) => {
      expect({ started: world.started, left: world.tasks.size, ...requestStatus(world) }).toMatchObject({
        started: [task.request],
        left: 0,
        phase: 'Failed',
      });
    });
  });

  it('whose time is over says so, and is stopped only then', async () => {
    const act = (world: World): void =>
      obey(world, task.request, () => requestStatus(world).task?.stopping !== undefined);
    await tellWithEveryKill({ ...requestTold, act }, (world) => {
      expect({ started: world.started, left: world.tasks.size, ...requestStatus(world) }).toMatchObject({
        started: [task.request],
        left: 0,
        phase: 'Failed',
        failure: { reason: 'DeadlineExceeded' },
      });
    });
  });

  it('that is deleted goes, and its task before it', async () => {
    const act = (world: World, second: number): void => {
      if (second === 8) world.markDeleted('RestoreRequest', 'back');
      obey(world, task.request, () => world.read('RestoreRequest', 'back')?.metadata.deletionTimestamp !== undefined);
      if (world.read('RestoreRequest', 'back') === undefined) expect(world.tasks.size).toBe(0);
    };
    await tellWithEveryKill({ ...requestTold, act }, (world) => {
      const request = world.read('RestoreRequest', 'back');
      expect({ request, left: world.tasks.size }).toEqual({ request: undefined, left: 0 });
    });
  });
});
