import { beforeEach, describe, expect, it } from '@jest/globals';
import type { BackupRunStatus } from '../../../src/api/backup-run.ts';
import type { RestoreRequestStatus } from '../../../src/api/restore-request.ts';
import { Fault } from '../../../src/base/fault.ts';
import { ObjectsError } from '../../../src/cluster/objects.ts';
import type { Failure } from '../../../src/operator/judge-task.ts';
import { backedUp, policySpec, requestSpec, runSpec, World } from './world.ts';

const inCluster = {
  ...policySpec,
  target: { ...policySpec.target, workload: { kind: 'StatefulSet', name: 'db' } },
  stores: [{ name: 'main', filesystem: { claimName: 'backups' } }],
  jobs: { priorityClassName: 'low' },
};
const digest = 'docker.io/library/postgres@sha256:1';
const notRunning = (): never => {
  throw new Fault('WorkloadNotRunning', 'no pod of StatefulSet db in prod runs');
};

let world: World;
beforeEach(() => {
  world = new World('kubernetes');
  world.runningImage = () => digest;
});

const imageOf = (task: string): string | undefined => world.tasks.get(task)?.spec.tool?.image;
const run = () => world.status<BackupRunStatus>('BackupRun', 'now');
const request = () => world.status<RestoreRequestStatus>('RestoreRequest', 'back');

function begin(policy: object = inCluster): void {
  world.create('BackupPolicy', 'shop', policy);
  world.create('BackupRun', 'now', runSpec);
}

describe('the tools of a backup', () => {
  it('come out of the image that the workload runs, and the status says which before the task is asked for', async () => {
    begin();
    for (let visits = 0; visits < 5 && run().attempts === undefined; visits += 1) await world.visit('BackupRun', 'now');
    expect(run().attempts).toMatchObject([{ toolImage: digest }]);
    expect(world.started).toEqual([]);
    // A later look at the workload changes nothing of this attempt.
    world.runningImage = () => 'postgres@sha256:2';
    await world.settle('BackupRun', 'now');
    expect(imageOf('now-1')).toBe(digest);
    expect(world.tasks.get('now-1')?.spec.pod).toEqual({ priorityClassName: 'low' });
  });

  it('come out of the image that is named, whatever runs', async () => {
    begin({ ...inCluster, toolImages: { dump: 'postgres:17' } });
    await world.settle('BackupRun', 'now');
    expect(imageOf('now-1')).toBe('postgres:17');
    expect(run().attempts).toMatchObject([{ toolImage: 'postgres:17' }]);
  });

  it('are waited for while the workload does not run, and then taken', async () => {
    world.runningImage = notRunning;
    begin();
    expect(await world.settle('BackupRun', 'now')).toMatchObject({ kind: 'waiting', reason: 'WorkloadNotRunning' });
    expect(run()).toMatchObject({ attempts: [{ waitingFor: { reason: 'WorkloadNotRunning' } }] });
    world.runningImage = () => digest;
    await world.settle('BackupRun', 'now');
    expect(imageOf('now-1')).toBe(digest);
    expect(run().attempts?.[0]).not.toHaveProperty('waitingFor');
  });

  it('that never come fail the run at its starting deadline, once, and the reason says what was missing', async () => {
    world.runningImage = notRunning;
    begin();
    await world.settle('BackupRun', 'now');
    await world.clock.advance(600_000);
    await world.settle('BackupRun', 'now');
    expect(run()).toMatchObject({
      phase: 'Failed',
      failure: {
        reason: 'WorkloadNotRunning',
        message: 'the task did not begin within 10m: no pod of StatefulSet db in prod runs',
      },
      attempts: [{ number: 1, outcome: 'WorkloadNotRunning' }],
    });
    expect(world.started).toEqual([]);
  });

  it('of a workload of which nobody can say what is the server fail the run at once', async () => {
    world.runningImage = () => {
      throw new Fault('SpecInvalid', 'it is not clear which container is the server');
    };
    begin();
    await world.settle('BackupRun', 'now');
    expect(run()).toMatchObject({ phase: 'Failed', failure: { reason: 'SpecInvalid' } });
  });

  it('that are not allowed fail the run before any pod, also when the list was changed after the first attempt', async () => {
    begin();
    await world.settle('BackupRun', 'now');
    world.allowedImages = ['mysql'];
    world.end('now-1', { outcome: 'failed', reason: 'ToolLost', message: 'gone', hint: 'Look.' });
    await world.settle('BackupRun', 'now');
    await world.clock.advance(60_000);
    await world.settle('BackupRun', 'now');
    expect(world.started).toEqual(['now-1']);
    expect(run()).toMatchObject({ phase: 'Failed', failure: { reason: 'ImageNotAllowed' } });
    expect(run().failure?.message).toContain(`image ${digest} is not allowed here; allowed are mysql`);
  });

  it('are not asked for where the tools of the machine are used', async () => {
    world = new World('standalone');
    world.runningImage = notRunning;
    begin(policySpec);
    await world.settle('BackupRun', 'now');
    expect(world.started).toEqual(['now-1']);
    expect(world.tasks.get('now-1')?.spec.tool).toEqual({});
  });
});

describe('a task that the cluster refuses for now', () => {
  const quota = 'jobs.batch "now-1" is forbidden: exceeded quota';

  beforeEach(() => {
    const { start } = world.runner;
    let isFull = true;
    world.runner.start = (spec) => (isFull ? Promise.reject(new ObjectsError('Forbidden', quota)) : start(spec));
    Object.assign(world, { makeRoom: () => (isFull = false) });
  });

  it('is waited with, and started when there is room', async () => {
    begin();
    expect(await world.settle('BackupRun', 'now')).toMatchObject({
      kind: 'waiting',
      reason: 'PodRefused',
      message: quota,
    });
    (world as unknown as { makeRoom(): void }).makeRoom();
    await world.settle('BackupRun', 'now');
    expect(world.started).toEqual(['now-1']);
    expect(run().attempts?.[0]).not.toHaveProperty('waitingFor');
  });

  it('fails with the words of the cluster at its starting deadline', async () => {
    begin();
    await world.settle('BackupRun', 'now');
    await world.clock.advance(600_000);
    await world.settle('BackupRun', 'now');
    const expected: Partial<Failure> = {
      reason: 'PodRefused',
      message: `the task did not begin within 10m: ${quota}`,
    };
    expect(run()).toMatchObject({ phase: 'Failed', failure: expected, attempts: [{ number: 1 }] });
  });
});

describe('the tools of a restore', () => {
  const restored = async (more: object = {}): Promise<void> => {
    begin();
    await world.settle('BackupRun', 'now');
    world.end('now-1', backedUp());
    await world.settle('BackupRun', 'now');
    world.create('RestoreRequest', 'back', { ...requestSpec, ...more });
  };

  it('come out of the image that the workload of the policy runs now', async () => {
    await restored();
    world.runningImage = () => 'postgres@sha256:2';
    await world.settle('RestoreRequest', 'back');
    expect(imageOf('back-restore')).toBe('postgres@sha256:2');
    expect(request().task).toMatchObject({ toolImage: 'postgres@sha256:2' });
    expect(world.tasks.get('back-restore')?.spec.pod).toEqual({ priorityClassName: 'low' });
  });

  it('come out of the image that made the backup when the server is gone', async () => {
    await restored();
    world.runningImage = notRunning;
    await world.settle('RestoreRequest', 'back');
    expect(imageOf('back-restore')).toBe(digest);
  });

  it('come out of the image that is named', async () => {
    await restored({ toolImages: { restore: 'postgres:18' } });
    await world.settle('RestoreRequest', 'back');
    expect(imageOf('back-restore')).toBe('postgres:18');
  });

  it('that are not allowed fail the request before any pod', async () => {
    await restored();
    world.allowedImages = ['mysql'];
    await world.settle('RestoreRequest', 'back');
    expect(request()).toMatchObject({ phase: 'Failed', failure: { reason: 'ImageNotAllowed' } });
    expect(world.started).toEqual(['now-1']);
  });
});
