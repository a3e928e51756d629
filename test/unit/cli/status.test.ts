import { describe, expect, it } from '@jest/globals';
import { statusSchema } from '../../../src/cli/contract.ts';
import { type StatusInput, statusAnswer } from '../../../src/cli/status-answer.ts';
import { renderStatus } from '../../../src/cli/status-screen.ts';
import type { Kind, Resource } from '../../../src/cluster/resource.ts';

const nowMs = Date.parse('2026-01-02T12:00:00Z');

const object = (kind: Kind, name: string, spec: object, status?: object): Resource => ({
  apiVersion: 'backstay.dev/v1alpha1',
  kind,
  metadata: {
    name,
    namespace: 'prod',
    uid: name,
    resourceVersion: '1',
    generation: 2,
    creationTimestamp: '2026-01-01T00:00:00Z',
  },
  spec,
  ...(status && { status }),
});

const ready = (status: string, reason: string, message: string): object => ({
  observedGeneration: 2,
  conditions: [{ type: 'Ready', status, reason, message }],
});

const lastSuccess = { run: 'shop-1', time: '2026-01-02T02:00:00Z', storedBytes: 3, size: '3 B' };
const good = {
  ...ready('True', 'Scheduled', 'run shop-1 succeeded'),
  lastSuccess,
  nextRun: '2026-01-03T02:00:00Z',
  lastRun: { name: 'shop-1', phase: 'Succeeded', createdAt: '2026-01-02T02:00:00Z' },
};
const failure = { reason: 'StoreFull', message: 'no space', hint: 'Add space.' };
const failedRun = object('BackupRun', 'shop-2', { policyName: 'shop' }, { phase: 'Failed', failure });
const failing = {
  ...ready('False', 'StoreFull', 'run shop-2 failed: no space'),
  lastRun: { name: 'shop-2', phase: 'Failed', createdAt: '2026-01-02T03:00:00Z' },
};

const answer = (status: object | undefined, more: Partial<StatusInput> = {}) =>
  statusAnswer({
    policies: [object('BackupPolicy', 'shop', {}, status)],
    runs: [],
    requests: [],
    nowMs,
    mode: 'kubernetes',
    command: (verb, namespace) => `backstay ${verb} -n ${namespace}`,
    ...more,
  });

describe('"am I protected?" is answered', () => {
  it.each<[string, object | undefined, Resource[], string, RegExp]>([
    ['Protected', good, [], 'all is well', /Prove one: backstay restore --policy shop -n prod/],
    [
      'NoBackup',
      ready('True', 'NeverRun', 'nothing yet'),
      [],
      'no run has ended',
      /backstay backup shop --wait -n prod/,
    ],
    ['NoBackup', failing, [failedRun], 'the first run failed', /shop: Add space\./],
    ['Failing', { ...failing, lastSuccess }, [failedRun], 'the newest run failed', /shop: Add space\./],
    ['Overdue', { ...good, nextRun: '2026-01-02T11:40:00Z' }, [], 'nobody makes the runs', /operator runs/],
    ['Protected', { ...good, nextRun: '2026-01-02T11:59:50Z' }, [], 'a run is being made', /./],
    ['Suspended', { ...good, ...ready('True', 'Suspended', 'it is') }, [], 'it was suspended', /spec\.suspend/],
    ['NotReady', { ...good, observedGeneration: 1 }, [], 'nobody looked at the newest change', /operator runs/],
    ['NotReady', undefined, [], 'nobody looked at it at all', /operator runs/],
    ['NotReady', ready('False', 'SpecInvalid', 'spec.x is wrong'), [], 'it cannot be used', /Correct the policy/],
  ])('%s: %j', (verdict, status, runs, _, next) => {
    const found = answer(status, { runs });
    expect(statusSchema.parse(found)).toEqual(found);
    expect(found.policies[0]?.verdict).toBe(verdict);
    expect(found.protected).toBe(verdict === 'Protected');
    expect(found.next.join('\n')).toMatch(next);
  });

  it('with a hint that finds the operator under every name of a release', () => {
    expect(answer(undefined).next[0]).toMatch(
      /-l app\.kubernetes\.io\/part-of=backstay,app\.kubernetes\.io\/component=operator$/,
    );
  });

  it('with no when there is no policy at all', () => {
    const found = answer(good, { policies: [] });
    expect(found).toMatchObject({ protected: false, next: [expect.stringContaining('BackupPolicy')] });
  });
});

describe('the age of the newest backup decides, by the rule of the alert', () => {
  const hourMs = 3_600_000;
  const schedules = [{ name: 'nightly', cron: '0 2 * * *', timeZone: 'UTC', dump: { databases: ['shop'] } }];
  const ranAgo = (name: string, ageMs: number, status: object): Resource => {
    const time = new Date(nowMs - ageMs).toISOString();
    const run = object('BackupRun', name, { policyName: 'shop' }, { set: { consistentAt: time }, ...status });
    return { ...run, metadata: { ...run.metadata, labels: { 'backstay.dev/schedule': 'nightly' } } };
  };
  const judged = (runs: Resource[], status: object = good) =>
    answer(status, { policies: [object('BackupPolicy', 'shop', { schedules }, status)], runs });
  const limitMs = 36 * hourMs + 15 * 60_000;
  const succeeded = { phase: 'Succeeded' };

  it('while a run that hangs has every tick skipped', () => {
    const hanging = object('BackupRun', 'shop-2', { policyName: 'shop' }, { phase: 'Running' });
    const found = judged([ranAgo('shop-1', 30 * 24 * hourMs, succeeded), hanging]);
    expect(statusSchema.parse(found)).toEqual(found);
    expect(found.protected).toBe(false);
    expect(found.policies[0]).toMatchObject({
      verdict: 'TooOld',
      message: 'schedule nightly made its newest backup 30d ago; its longest pause is 1d',
    });
    expect(found.next[0]).toMatch(/shop: While run shop-2 is not over/);
  });

  it.each([
    ['Protected', 'at the limit', ranAgo('shop-1', limitMs, succeeded)],
    ['TooOld', 'a second later', ranAgo('shop-1', limitMs + 1000, succeeded)],
    ['TooOld', 'with a newer run that failed', ranAgo('shop-1', hourMs, { phase: 'Failed' })],
  ])('%s %s', (verdict, _, run) => {
    const status = { ...good, schedules: [{ name: 'nightly', firstSeen: '2025-12-01T00:00:00Z' }] };
    expect(judged([run], status).policies[0]?.verdict).toBe(verdict);
  });

  it('of each schedule by itself, and one that has no backup counts from its first sight', () => {
    const seen = (firstSeen: string) => ({ ...good, schedules: [{ name: 'nightly', firstSeen }] });
    expect(judged([], seen('2026-01-01T12:00:00Z')).policies[0]?.verdict).toBe('Protected');
    const found = judged([], seen('2025-12-30T12:00:00Z'));
    expect(found.policies[0]).toMatchObject({
      verdict: 'TooOld',
      message: 'schedule nightly has made no backup for 3d; its longest pause is 1d',
      next: 'Make one now: backstay backup shop --wait -n prod',
    });
  });

  it('and backups of another policy do not count', () => {
    const other = ranAgo('other-1', hourMs, succeeded);
    other.spec = { policyName: 'other' };
    expect(judged([ranAgo('shop-1', limitMs + 1000, succeeded), other]).policies[0]?.verdict).toBe('TooOld');
  });
});

it('one screen shows policies, what is at work with its progress, the newest restores, and what to do', () => {
  const progress = { step: 'dump', plainBytes: 2_097_152, storedBytes: 1_048_576, bytesPerSecond: 1_048_576 };
  const running = object(
    'BackupRun',
    'shop-3',
    { policyName: 'shop' },
    { phase: 'Running', startedAt: '2026-01-02T11:57:00Z', progress },
  );
  const restored = object(
    'RestoreRequest',
    'back',
    { target: { database: 'shop_check' } },
    { phase: 'Failed', failure, duration: '4s', completedAt: '2026-01-02T11:00:00Z' },
  );
  const found = answer(
    { ...failing, lastSuccess, nextRun: good.nextRun },
    { runs: [failedRun, running], requests: [restored] },
  );
  expect(renderStatus(found, { nowMs, showNamespace: false, wide: false })).toBe(
    `Protected: no, 1 of 1 policy needs a look.

POLICY   VERDICT   READY               LAST SUCCESS   NEXT RUN   LAST RUN
shop     Failing   False (StoreFull)   10h ago        in 14h     Failed (shop-2)

AT WORK            PHASE     FOR   PROGRESS
BackupRun shop-3   Running   3m    dump, 2.0 MiB done, 1.0 MiB stored, 1.0 MiB/s

RESTORE   PHASE                DATABASE     TOOK   ENDED
back      Failed (StoreFull)   shop_check   4s     1h ago

next: shop: Add space.`,
  );
});
