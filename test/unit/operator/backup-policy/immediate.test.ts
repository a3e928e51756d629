import { expect, it } from '@jest/globals';
import { parseSpec } from '../../../../src/api/parse.ts';
import { decide } from '../../../../src/operator/backup-policy/decide.ts';

const createdAt = '2026-11-21T12:35:35Z';
const policy = (immediate: boolean, more: object = {}) => ({
  name: 'shop',
  createdAt,
  status: undefined,
  spec: parseSpec('BackupPolicy', {
    engine: 'PostgreSQL',
    target: { host: 'db', credentials: { backup: { secretName: 's' } }, tls: { mode: 'Disable' } },
    stores: [{ name: 'near', filesystem: { path: '/b' } }],
    schedules: [{ name: 'nightly', cron: '0 2 * * *', immediate, method: 'Dump', dump: { databases: ['shop'] } }],
    ...more,
  }),
});

it('a schedule with immediate: true makes its first run when the policy is first seen', () => {
  const { create, status } = decide(policy(true), [], Date.parse('2026-11-21T12:40:00Z'));
  expect(create.map(({ name }) => name)).toEqual(['shop-nightly-202611211235']);
  expect(status.nextRun).toBe('2026-11-22T02:00:00Z');
});

it('a look that is repeated after a kill gives the same name, so that there is no second run', () => {
  const names = ['2026-11-21T12:35:36Z', '2026-11-21T12:59:00Z'].map(
    (now) => decide(policy(true), [], Date.parse(now)).create[0]?.name,
  );
  expect(new Set(names).size).toBe(1);
});

it('once the status knows the schedule there is no other first run', () => {
  const now = Date.parse('2026-11-21T12:40:00Z');
  const { status } = decide(policy(true), [], now);
  expect(decide({ ...policy(true), status: { ...status, conditions: [] } as never }, [], now + 60_000).create).toEqual(
    [],
  );
});

it('without it the database waits for its first tick; a suspended policy makes none', () => {
  const now = Date.parse('2026-11-21T12:40:00Z');
  expect(decide(policy(false), [], now).create).toEqual([]);
  expect(decide(policy(true, { suspend: true }), [], now).create).toEqual([]);
});
