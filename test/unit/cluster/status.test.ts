import { beforeEach, describe, expect, it } from '@jest/globals';
import { Fault } from '../../../src/base/fault.ts';
import { conditionsIn } from '../../../src/cluster/conditions.ts';
import { done, failed, after as goesOn, type Outcome, stalled, waiting } from '../../../src/cluster/outcome.ts';
import { type ReconcileResult, writeStatus } from '../../../src/cluster/status.ts';
import { FakeClock } from '../../harness/fake-clock.ts';
import { MemoryObjects, sampleRun } from './memory-objects.ts';

describe('the status writer', () => {
  let clock: FakeClock;
  let objects: MemoryObjects;

  beforeEach(() => {
    clock = new FakeClock();
    objects = new MemoryObjects(sampleRun());
  });

  async function write(outcome: Outcome, more: Omit<ReconcileResult, 'outcome'> = {}) {
    const object = await objects.get();
    return writeStatus(objects, clock, object ?? sampleRun(), { outcome, ...more });
  }

  const shown = (): Record<string, string> =>
    Object.fromEntries(
      conditionsIn(objects.object?.status).map(({ type, status, reason }) => [type, `${status} ${reason}`]),
    );
  const timeOf = (wanted: string): string | undefined =>
    conditionsIn(objects.object?.status).find(({ type }) => type === wanted)?.lastTransitionTime;

  it.each<[Outcome, Record<string, string>]>([
    [done('Succeeded', 'all is well'), { Ready: 'True Succeeded' }],
    [goesOn(5, 'Running', 'the task runs'), { Ready: 'Unknown Running', Reconciling: 'True Running' }],
    [waiting('SecretMissing', 'no key', 5), { Ready: 'False SecretMissing', Reconciling: 'True SecretMissing' }],
    [stalled('SpecInvalid', 'no cron'), { Ready: 'False SpecInvalid', Stalled: 'True SpecInvalid' }],
    [
      failed(new Fault('StoreUnreachable', 'no answer')),
      { Ready: 'Unknown StoreUnreachable', Reconciling: 'True StoreUnreachable' },
    ],
    [failed(new TypeError('x is not a function')), { Ready: 'Unknown Internal', Reconciling: 'True Internal' }],
  ])('says %j in the conditions of kstatus', async (outcome, conditions) => {
    await write(outcome);
    expect(shown()).toEqual(conditions);
    expect(objects.object?.status).toMatchObject({ observedGeneration: 3 });
    expect(conditionsIn(objects.object?.status).every(({ observedGeneration }) => observedGeneration === 3)).toBe(true);
  });

  it('takes conditions away that are true no more', async () => {
    await write(stalled('SpecInvalid', 'no cron'));
    await write(done('Succeeded', 'all is well'));
    expect(shown()).toEqual({ Ready: 'True Succeeded' });
  });

  it('leaves what is known about the object when our own work failed', async () => {
    await write(done('Succeeded', 'all is well'));
    await write(failed(new Error('socket hang up')));
    expect(shown()).toEqual({ Ready: 'True Succeeded', Reconciling: 'True Internal' });
  });

  it('writes nothing when nothing changed, however late it is', async () => {
    await write(done('Succeeded', 'all is well'), { status: { phase: 'Succeeded', failure: undefined } });
    await clock.advance(60_000);
    const result = await write(done('Succeeded', 'all is well'), {
      status: { phase: 'Succeeded', failure: undefined },
    });
    expect(result).toEqual({ verdict: 'unchanged' });
    expect(objects.writes).toBe(1);
    expect(objects.events).toHaveLength(1);
  });

  it('moves the transition time when the status flips, not when the message changes', async () => {
    await write(waiting('SecretMissing', 'no key password', 5));
    const first = timeOf('Ready');
    await clock.advance(60_000);
    await write(waiting('ImageUnavailable', 'no such image', 5));
    expect(timeOf('Ready')).toBe(first);
    expect(shown()['Ready']).toBe('False ImageUnavailable');
    await write(done('Succeeded', 'all is well'));
    expect(timeOf('Ready')).not.toBe(first);
  });

  it('keeps the fields when none are given, and replaces them whole when some are', async () => {
    await write(goesOn(5, 'Running', 'x'), { status: { phase: 'Running', currentTask: 'one' } });
    await write(goesOn(5, 'Checking', 'x'));
    expect(objects.object?.status).toMatchObject({ phase: 'Running', currentTask: 'one' });
    await write(done('Succeeded', 'x'), { status: { phase: 'Succeeded' } });
    expect(objects.object?.status).not.toHaveProperty('currentTask');
  });

  it('keeps extra conditions until a new list is given', async () => {
    const isProtected = { type: 'Protected', status: 'True' as const, reason: 'Fresh', message: 'x' };
    await write(done('Scheduled', 'x'), { conditions: [isProtected] });
    await write(done('Scheduled', 'y'));
    expect(shown()).toEqual({ Ready: 'True Scheduled', Protected: 'True Fresh' });
    await write(done('Scheduled', 'y'), { conditions: [] });
    expect(shown()).toEqual({ Ready: 'True Scheduled' });
  });

  it('records one event for each transition, with the reason of the condition', async () => {
    await write(goesOn(5, 'Running', 'the task runs'));
    await write(goesOn(5, 'Running', 'the task runs, 5 MB'));
    await write(waiting('SecretMissing', 'no key', 5));
    await write(failed(new Fault('StoreUnreachable', 'no answer')));
    await write(stalled('ToolFailed', 'pg_dump ended with 1'));
    await write(done('Succeeded', 'all is well'));
    expect(objects.events.map(({ type, reason }) => `${type} ${reason}`)).toEqual([
      'Normal Running',
      'Warning SecretMissing',
      'Warning StoreUnreachable',
      'Warning ToolFailed',
      'Normal Succeeded',
    ]);
  });

  it('says so when somebody wrote the object meanwhile, and when it is gone', async () => {
    const object = sampleRun();
    objects.set({ spec: { changed: true } });
    expect(await writeStatus(objects, clock, object, { outcome: done('A', 'x') })).toEqual({ verdict: 'conflict' });
    objects.object = undefined;
    expect(await writeStatus(objects, clock, object, { outcome: done('A', 'x') })).toEqual({ verdict: 'gone' });
    expect(objects.events).toEqual([]);
  });
});
