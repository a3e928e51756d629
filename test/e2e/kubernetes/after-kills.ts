import { expect } from '@jest/globals';
import { attemptTask, restoreTask } from '../../../src/operator/task-name.ts';
import type { Playground } from '../../harness/kubernetes-shop.ts';

/** However often the operator died: a backup that succeeded at its first attempt, with one manifest and one Job. */
export async function expectOneBackup(shop: Playground, name: string, patienceMs: number): Promise<void> {
  const { status } = await shop.waitForEnd('BackupRun', name, patienceMs);
  expect(status).toMatchObject({ phase: 'Succeeded', attempts: [{ number: 1, outcome: 'Succeeded' }] });
  expect(await shop.manifests(`own/${name}`)).toHaveLength(1);
  expect((await shop.jobsThatRan()).filter((job) => job.startsWith(`${name}-`))).toEqual([attemptTask(name, 1)]);
}

/** However often the operator died: a restore of the whole shop into that database, with one Job. */
export async function expectOneRestore(
  shop: Playground,
  name: string,
  database: string,
  patienceMs: number,
): Promise<void> {
  const { status } = await shop.waitForEnd('RestoreRequest', name, patienceMs);
  expect(status).toMatchObject({ phase: 'Succeeded', result: { rowCount: 20_500 } });
  expect((await shop.jobsThatRan()).filter((job) => job.startsWith(`${name}-`))).toEqual([restoreTask(name)]);
  const [row] = await shop.query('SELECT count(*)::int AS orders FROM "Orders"', { database });
  expect(row).toEqual({ orders: 20_000 });
}
