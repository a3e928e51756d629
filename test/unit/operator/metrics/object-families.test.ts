import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { apiVersion, scheduleLabel } from '../../../../src/api/names.ts';
import { createIntervalOf } from '../../../../src/api/schedule-interval.ts';
import type { Resource } from '../../../../src/cluster/resource.ts';
import { exposition } from '../../../../src/operator/metrics/exposition.ts';
import { objectFamilies } from '../../../../src/operator/metrics/object-families.ts';

const nowMs = Date.parse('2026-03-10T12:00:00Z');
const at = (hoursAgo: number): string => new Date(nowMs - hoursAgo * 3_600_000).toISOString();
const none = { policies: [], runs: [], requests: [] };

function resource(
  kind: Resource['kind'],
  name: string,
  parts: { spec?: unknown; status?: unknown; more?: object },
): Resource {
  const { spec = {}, status, more } = parts;
  const metadata = {
    name,
    namespace: 'prod',
    uid: name,
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: at(100),
  };
  return { apiVersion, kind, metadata: { ...metadata, ...more }, spec, ...(status !== undefined && { status }) };
}

const policy = (name: string, spec: object = {}, status: object = {}) =>
  resource('BackupPolicy', name, {
    spec: { engine: 'PostgreSQL', schedules: [schedule('nightly', 'shop')], ...spec },
    status,
  });
const schedule = (name: string, database: string) => ({
  name,
  cron: '0 2 * * *',
  timeZone: 'UTC',
  method: 'Dump',
  dump: { databases: [database] },
});

function run(
  name: string,
  hoursAgo: number,
  status: object,
  { of = 'shop', by = 'nightly', database = 'shop' } = {},
): Resource {
  return resource('BackupRun', name, {
    spec: { policyName: of, method: 'Dump', dump: { databases: [database] } },
    status: { startedAt: at(hoursAgo), ...status },
    more: { creationTimestamp: at(hoursAgo), labels: { [scheduleLabel]: by } },
  });
}
const succeeded = (hoursAgo: number, storedBytes = 10) => ({
  phase: 'Succeeded',
  completedAt: at(hoursAgo - 0.5),
  set: { consistentAt: at(hoursAgo), storedBytes, plainBytes: 4 * storedBytes },
});
const failed = (hoursAgo: number, reason = 'ToolFailed') => ({
  phase: 'Failed',
  completedAt: at(hoursAgo - 0.25),
  failure: { reason, message: 'x', hint: 'y' },
});

function scrape(objects: Partial<typeof none | Record<string, Resource[]>>, atMs = nowMs): string[] {
  const text = exposition(objectFamilies({ ...none, ...objects }, createIntervalOf(), atMs));
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}
const values = (lines: string[], name: string) =>
  lines.filter((line) => line.startsWith(`${name}{`)).map((line) => line.slice(name.length));
const P = '{namespace="prod",policy="shop"}';

describe('the metrics of objects', () => {
  it('say of a policy when it was last safe, how old that is, and what comes next', () => {
    const status = {
      nextRun: at(-14),
      lastSuccess: { run: 'a', time: at(10), storedBytes: 1, size: '1 B' },
      conditions: [{ type: 'Ready', status: 'True', reason: 'Scheduled', message: '', lastTransitionTime: at(1) }],
      schedules: [
        { name: 'nightly', firstSeen: at(90), lastTick: at(10), lastSkipped: { tick: at(34), message: 'x' } },
      ],
    };
    const lines = scrape({ policies: [policy('shop', {}, status)], runs: [run('a', 10, succeeded(10))] });
    const seconds = (hoursAgo: number) => String(nowMs / 1000 - hoursAgo * 3600);
    expect(lines).toEqual(
      expect.arrayContaining([
        'backstay_policy_info{namespace="prod",policy="shop",engine="PostgreSQL"} 1',
        `backstay_policy_created_timestamp_seconds${P} ${seconds(100)}`,
        `backstay_policy_suspended${P} 0`,
        'backstay_policy_condition{namespace="prod",policy="shop",type="Ready",status="True",reason="Scheduled"} 1',
        `backstay_policy_last_success_timestamp_seconds${P} ${seconds(10)}`,
        `backstay_policy_rpo_seconds${P} 36000`,
        `backstay_policy_next_run_timestamp_seconds${P} ${seconds(-14)}`,
        `backstay_policy_consecutive_failures${P} 0`,
        `backstay_policy_last_run_failed${P} 0`,
        `backstay_schedule_created_timestamp_seconds{namespace="prod",policy="shop",schedule="nightly"} ${seconds(90)}`,
        'backstay_schedule_interval_seconds{namespace="prod",policy="shop",schedule="nightly"} 86400',
        `backstay_schedule_last_success_timestamp_seconds{namespace="prod",policy="shop",schedule="nightly"} ${seconds(10)}`,
        `backstay_schedule_skipped_timestamp_seconds{namespace="prod",policy="shop",schedule="nightly"} ${seconds(34)}`,
        'backstay_runs{namespace="prod",policy="shop",method="Dump",phase="Succeeded"} 1',
        'backstay_run_last_duration_seconds{namespace="prod",policy="shop",method="Dump",outcome="Succeeded"} 1800',
        'backstay_run_last_stored_bytes{namespace="prod",policy="shop",method="Dump"} 10',
        'backstay_run_last_plain_bytes{namespace="prod",policy="shop",method="Dump"} 40',
      ]),
    );
  });

  it('have no last success of a policy that has none: 0 would be a backup of 1970', () => {
    const lines = scrape({ policies: [policy('shop')] });
    expect(lines.filter((line) => /last_success|rpo|next_run/.test(line))).toEqual([]);
    expect(values(lines, 'backstay_policy_consecutive_failures')).toEqual([`${P} 0`]);
  });

  it('count a schedule that nobody has looked at yet from the birth of its policy', () => {
    const lines = scrape({ policies: [policy('shop')] });
    expect(values(lines, 'backstay_schedule_created_timestamp_seconds')).toEqual([
      `{namespace="prod",policy="shop",schedule="nightly"} ${nowMs / 1000 - 100 * 3600}`,
    ]);
  });

  it('count failures since the last success, each database by itself, and the worst of them', () => {
    const policies = [policy('shop', { schedules: [schedule('one', 'a'), schedule('two', 'b')] })];
    const b = { database: 'b', by: 'two' };
    const runs = [
      run('r1', 50, failed(50), b),
      run('r2', 40, failed(40), b),
      run('r3', 30, succeeded(30), { database: 'a', by: 'one' }),
      run('r4', 20, failed(20), b),
      // By hand, of a database that no schedule asks for.
      run('r5', 10, failed(10), { database: 'c', by: '' }),
      run('r6', 5, { phase: 'Running' }, b),
    ];
    const lines = scrape({ policies, runs });
    expect(values(lines, 'backstay_policy_consecutive_failures')).toEqual([`${P} 3`]);
    expect(values(lines, 'backstay_policy_last_run_failed')).toEqual([`${P} 1`]);
    expect(values(lines, 'backstay_run_active_seconds')).toEqual([
      '{namespace="prod",policy="shop",method="Dump",run="r6",phase="Running"} 18000',
    ]);
    const healed = scrape({ policies, runs: [...runs, run('r7', 1, succeeded(1), b)] });
    expect(values(healed, 'backstay_policy_consecutive_failures')).toEqual([`${P} 0`]);
  });

  it('do not call it a failure that another cluster owns the repository', () => {
    const lines = scrape({ policies: [policy('shop')], runs: [run('r', 3, failed(3, 'ReadOnly'))] });
    expect(values(lines, 'backstay_policy_last_run_failed')).toEqual([`${P} 0`]);
  });

  it('give no success of another schedule to a schedule', () => {
    const policies = [policy('shop', { schedules: [schedule('one', 'a'), schedule('two', 'a')] })];
    const lines = scrape({ policies, runs: [run('r', 3, succeeded(3), { by: 'one', database: 'a' })] });
    expect(values(lines, 'backstay_schedule_last_success_timestamp_seconds')).toHaveLength(1);
  });

  it('tell of restores how they ended and how long they go on', () => {
    const requests = [
      resource('RestoreRequest', 'old', {
        status: { phase: 'Failed', startedAt: at(9), completedAt: at(8), failure: { reason: 'TargetNotEmpty' } },
      }),
      resource('RestoreRequest', 'new', { status: { phase: 'Succeeded', startedAt: at(5), completedAt: at(3) } }),
      resource('RestoreRequest', 'now', { status: { phase: 'Replaying', startedAt: at(1) } }),
      resource('RestoreRequest', 'fresh', {}),
    ];
    expect(scrape({ requests })).toEqual([
      'backstay_restore_requests{namespace="prod",phase="Failed"} 1',
      'backstay_restore_requests{namespace="prod",phase="Replaying"} 1',
      'backstay_restore_requests{namespace="prod",phase="Succeeded"} 1',
      'backstay_restore_requests{namespace="prod",phase="Validating"} 1',
      'backstay_restore_last_duration_seconds{namespace="prod",outcome="Failed"} 3600',
      'backstay_restore_last_duration_seconds{namespace="prod",outcome="Succeeded"} 7200',
      `backstay_restore_completed_timestamp_seconds{namespace="prod",request="new",outcome="Succeeded",reason="Succeeded"} ${nowMs / 1000 - 3 * 3600}`,
      `backstay_restore_completed_timestamp_seconds{namespace="prod",request="old",outcome="Failed",reason="TargetNotEmpty"} ${nowMs / 1000 - 8 * 3600}`,
      'backstay_restore_active_seconds{namespace="prod",request="fresh",phase="Validating"} 360000',
      'backstay_restore_active_seconds{namespace="prod",request="now",phase="Replaying"} 3600',
    ]);
  });

  it('take specs and statuses as a schema of another version may have let them in', () => {
    const policies = [
      policy('shop', { engine: undefined, schedules: [{ name: 's' }] }),
      resource('BackupPolicy', 'bare', { spec: null }),
    ];
    const runs = [resource('BackupRun', 'r', { spec: null, status: { completedAt: 'yesterday', phase: 'Succeeded' } })];
    expect(
      scrape({ policies, runs, requests: [resource('RestoreRequest', 'q', { spec: null })] }).length,
    ).toBeGreaterThan(5);
  });

  it('are the same bytes for the same objects, in whatever order they are listed and however often they were asked', () => {
    const phases = fc.constantFrom('Pending', 'Running', 'Succeeded', 'Failed');
    const some = fc.array(fc.tuple(phases, fc.integer({ min: 1, max: 5 }), fc.constantFrom('shop', 'mail', 'gone')), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(some, fc.array(fc.nat()), (drawn, order) => {
        const runs = drawn.map(([phase, hours, of], index) =>
          run(
            `r${index}`,
            hours,
            phase === 'Succeeded' ? succeeded(hours, index) : phase === 'Failed' ? failed(hours) : { phase },
            { of },
          ),
        );
        const requests = runs.map(({ metadata, status }) => resource('RestoreRequest', metadata.name, { status }));
        const policies = [policy('shop'), policy('mail')];
        const shuffled = runs
          .map((one, index) => ({ one, key: order[index % Math.max(1, order.length)] ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ one }) => one);
        const first = scrape({ policies, runs, requests });
        expect(
          scrape({ policies: [...policies].reverse(), runs: shuffled, requests: [...requests].reverse() }),
        ).toEqual(first);
        expect(new Set(first.map((line) => line.slice(0, line.lastIndexOf(' ')))).size).toBe(first.length);
      }),
    );
  });
});
