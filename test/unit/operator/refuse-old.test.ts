import { describe, expect, it } from '@jest/globals';
import type { Kind } from '../../../src/cluster/resource.ts';
import { backedUp, policySpec, requestSpec, runSpec, World } from './world.ts';

/** A policy with a run that has succeeded. */
async function prepared(): Promise<World> {
  const world = new World();
  world.create('BackupPolicy', 'shop', policySpec);
  world.create('BackupRun', 'over', runSpec);
  await world.settle('BackupRun', 'over');
  world.end('over-1', backedUp('uid-of-over'));
  await world.settle('BackupRun', 'over');
  world.started.splice(0);
  return world;
}

describe('a task is not started on the word of an old copy', () => {
  it.each<[Kind, object]>([
    ['BackupRun', runSpec],
    ['RestoreRequest', requestSpec],
  ])('of a %s', async (kind, spec) => {
    const world = await prepared();
    world.create(kind, 'now', spec);
    const isCurrent = world.objects.isCurrent;
    let asked = 0;
    world.objects.isCurrent = async () => {
      asked++;
      return false;
    };
    for (let count = 0; count < 6; count++) await world.visit(kind, 'now').catch(() => undefined);
    expect(asked).toBeGreaterThan(0);
    expect(world.started).toEqual([]);
    world.objects.isCurrent = isCurrent;
    await world.settle(kind, 'now');
    expect(world.started).toHaveLength(1);
  });
});
