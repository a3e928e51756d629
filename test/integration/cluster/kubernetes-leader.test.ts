import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import type { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { becomeLeader, type LeaderOptions, type Leadership } from '../../../src/cluster/kubernetes/leader.ts';
import type { Lease } from '../../../src/cluster/kubernetes/lease.ts';
import { leasePath, leasesPath } from '../../../src/cluster/kubernetes/paths.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { OperatorProcess } from '../../harness/cluster/operator-process.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { clientOf, freshNamespace, installKinds, silentLog } from './kubernetes-client.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;

// So long that nothing in a test ends by itself, and tried so often that a test need not wait.
const patient = { leaseMs: 120_000, renewMs: 100_000, retryMs: 50 };
const dayMs = 86_400_000;
// Each starts two operators, on a machine that may be busy.
const slowMs = 180_000;

let server: ApiServer;
let admin: ApiClient;
let namespace: string;

beforeAll(async () => {
  server = await apiServer({ tell: tellOnStderr });
  admin = clientOf(server.kubeconfigPath);
  await installKinds(admin);
}, coldMs);
afterAll(async () => {
  admin?.close();
  await server?.stop();
});
beforeEach(async () => {
  namespace = await freshNamespace(admin);
});

const path = (): string => leasePath(namespace, 'backstay');
const leaseNow = (): Promise<Lease> => admin.json<Lease>({ method: 'GET', path: path() });
const holderNow = async (): Promise<string> => (await leaseNow()).spec?.holderIdentity ?? '';
const patchLease = (body: object) => admin.json<Lease>({ method: 'PATCH', path: path(), body });

describe('candidates for one lease at a real API server', () => {
  let stop: AbortController;
  let leaders: Leadership[];
  const clients: ApiClient[] = [];

  beforeEach(() => {
    stop = new AbortController();
    leaders = [];
  });
  afterEach(async () => {
    stop.abort();
    await Promise.all(leaders.map((leader) => leader.release()));
    for (const client of clients.splice(0)) client.close();
  });

  function candidate(identity: string, more: Partial<LeaderOptions> = {}): Promise<Leadership | undefined> {
    const client = clientOf(server.kubeconfigPath);
    clients.push(client);
    const options = {
      client,
      clock: systemClock,
      random: () => 0,
      log: silentLog,
      identity,
      namespace,
      name: 'backstay',
    };
    return becomeLeader({ ...options, times: patient, ...more }, stop.signal).then((leader) => {
      if (leader !== undefined) leaders.push(leader);
      return leader;
    });
  }

  async function leading(identity: string, more: Partial<LeaderOptions> = {}): Promise<Leadership> {
    const leader = await candidate(identity, more);
    if (leader === undefined) throw new Error('it was stopped');
    return leader;
  }

  /** As many looks at the lease as the server has answered. */
  async function renewals(count: number): Promise<void> {
    for (let seen = 0; seen < count; seen++) {
      const before = (await leaseNow()).spec?.renewTime;
      await eventually(async () => expect((await leaseNow()).spec?.renewTime).not.toBe(before));
    }
  }

  it('of two who come at once one leads, the other when it lets go, and the lease tells it', async () => {
    const both = [candidate('one'), candidate('two')];
    const first = (await Promise.race(both))!;
    const { metadata, spec } = await leaseNow();
    expect(spec).toMatchObject({ leaseDurationSeconds: 120, leaseTransitions: 0 });
    for (const time of [spec?.acquireTime, spec?.renewTime]) expect(time).toMatch(/T\d\d:\d\d:\d\d\.\d{6}Z$/);
    await renewals(3);
    expect(leaders).toEqual([first]);
    const renewed = await leaseNow();
    expect(renewed.spec).toMatchObject({ holderIdentity: spec?.holderIdentity, acquireTime: spec?.acquireTime });
    expect(renewed.metadata['uid']).toBe(metadata['uid']);

    await first.release();
    await Promise.all(both);
    const second = await leaseNow();
    expect(second.spec?.leaseTransitions).toBe(1);
    expect(second.spec?.holderIdentity).toBe(spec?.holderIdentity === 'one' ? 'two' : 'one');
    expect(first.lost.aborted).toBe(false);
  });

  it('who holds it ends when it was given to somebody else by hand', async () => {
    const leader = await leading('one');
    await patchLease({ spec: { holderIdentity: 'by-hand' } });
    await eventually(() => expect(leader.lost.aborted).toBe(true));
    expect([leader.isLeading(), (leader.lost.reason as Error).message]).toEqual([false, 'by-hand has taken the lease']);
    expect(await holderNow()).toBe('by-hand');
  });

  it('who lets it go does so although somebody has just written a note on the lease', async () => {
    const leader = await leading('one');
    await patchLease({ metadata: { annotations: { note: 'just now' } } });
    await leader.release();
    expect((await leaseNow()).spec?.holderIdentity ?? '').toBe('');
  });

  it('who holds it goes on when somebody writes a note on the lease, and leaves the note there', async () => {
    const leader = await leading('one');
    for (let count = 0; count < 20; count++) {
      await patchLease({ metadata: { annotations: { note: String(count) } } });
    }
    await renewals(2);
    expect([leader.isLeading(), leader.lost.aborted]).toEqual([true, false]);
    expect((await leaseNow()).metadata['annotations']).toEqual({ note: '19' });
  });

  it('who holds it makes it anew when it was deleted', async () => {
    const leader = await leading('one');
    await admin.json({ method: 'DELETE', path: path() });
    await eventually(async () => expect(await holderNow()).toBe('one'));
    expect(leader.isLeading()).toBe(true);
  });

  it('who holds it goes on after a server that was away for less than the deadline', async () => {
    const leader = await leading('one');
    await server.restartApiServer('SIGKILL');
    await renewals(1);
    expect([leader.isLeading(), leader.lost.aborted]).toEqual([true, false]);
  });

  it('who holds it gives up before anybody else may take it when the server does not answer', async () => {
    const leader = await leading('one', { times: { leaseMs: 60_000, renewMs: 2_000, retryMs: 100 } });
    server.pause();
    try {
      await eventually(() => expect(leader.lost.aborted).toBe(true));
      expect((leader.lost.reason as Error).message).toBe('the lease could not be renewed for 2 s');
      expect(leader.isLeading()).toBe(false);
    } finally {
      server.resume();
    }
  });

  it.each([
    ['is a day ahead', dayMs],
    ['is a day behind', -dayMs],
  ])('one whose clock %s neither takes a lease that lives nor loses its own', async (_, skewMs) => {
    const skewed: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + skewMs };
    const first = await leading('one');
    let looks = 0;
    const counting: Clock = {
      ...skewed,
      monotonicMs: () => {
        looks++;
        return systemClock.monotonicMs();
      },
    };
    void candidate('skewed', { clock: counting });
    await eventually(() => expect(looks).toBeGreaterThan(20));
    expect(leaders).toEqual([first]);
    await first.release();
    await eventually(() => expect(leaders).toHaveLength(2));
    void candidate('one-again');
    await renewals(5);
    expect(await holderNow()).toBe('skewed');
    expect(leaders).toHaveLength(2);
  });

  it('a lease whose holder is dead is taken when its time is over, whatever times are written in it', async () => {
    const renewTime = '2099-01-01T00:00:00.000000Z';
    const spec = {
      holderIdentity: 'dead',
      leaseDurationSeconds: 2,
      acquireTime: renewTime,
      renewTime,
      leaseTransitions: 6,
    };
    const metadata = { name: 'backstay' };
    const body = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec };
    await admin.json({ method: 'POST', path: leasesPath(namespace), body });
    const startedMs = systemClock.monotonicMs();
    await leading('heir');
    expect(systemClock.monotonicMs() - startedMs).toBeGreaterThan(2_000);
    expect((await leaseNow()).spec).toMatchObject({ holderIdentity: 'heir', leaseTransitions: 7 });
  });

  it('ends when it is told to stop before it leads', async () => {
    await leading('one');
    const waiting = candidate('two');
    stop.abort();
    expect(await waiting).toBeUndefined();
  });
});

describe('two operators with one lease', () => {
  const operators: OperatorProcess[] = [];
  const quick = { leaseDuration: '8s', renewDeadline: '6s', retryPeriod: '1s' };
  const slow = { leaseDuration: '5m', renewDeadline: '4m', retryPeriod: '1s' };

  afterEach(async () => {
    await Promise.all(operators.splice(0).map((operator) => operator.kill()));
  });

  function start(host: string, times: object, more: object = {}): OperatorProcess {
    const leaderElection = { enabled: true, namespace, name: 'backstay', ...times };
    const operator = new OperatorProcess(server.kubeconfigPath, host, { leaderElection, ...more });
    operators.push(operator);
    return operator;
  }

  /** The first leads, the second waits. */
  async function pair(times: object): Promise<[OperatorProcess, OperatorProcess]> {
    const first = start('first', times);
    await first.says('ready');
    const second = start('second', times);
    await second.says('another process holds the lease; waiting');
    return [first, second];
  }

  const takesOver = async (operator: OperatorProcess): Promise<void> => {
    await operator.says('ready');
    expect(await holderNow()).toMatch(/^second_/);
  };

  it(
    'hand over at once when the first is asked to stop, which ends well',
    async () => {
      const [first, second] = await pair(slow);
      first.signal('SIGTERM');
      expect(await first.ended).toEqual({ code: 0, signal: null });
      expect(first.said('the lease is released')).toBe(true);
      await takesOver(second);
    },
    slowMs,
  );

  it(
    'are one again when the first is killed with -9 and its lease is over',
    async () => {
      const [first, second] = await pair(quick);
      first.signal('SIGKILL');
      await takesOver(second);
    },
    slowMs,
  );

  it(
    'are one again when the first froze; when it wakes up it ends at once and with a failure',
    async () => {
      const [first, second] = await pair(quick);
      first.signal('SIGSTOP');
      await takesOver(second);
      first.signal('SIGCONT');
      expect(await first.ended).toEqual({ code: 1, signal: null });
      expect(first.said('the lease is lost')).toBe(true);
      expect(await holderNow()).toMatch(/^second_/);
    },
    slowMs,
  );

  it(
    'the first ends with a failure when its lease was taken from it',
    async () => {
      const [first, second] = await pair(slow);
      await patchLease({ spec: { holderIdentity: 'by-hand', leaseDurationSeconds: 1 } });
      expect(await first.ended).toEqual({ code: 1, signal: null });
      await takesOver(second);
    },
    slowMs,
  );

  it(
    'one that waits ends well when it is asked to',
    async () => {
      const [, second] = await pair(slow);
      second.signal('SIGTERM');
      expect(await second.ended).toEqual({ code: 0, signal: null });
      expect(await holderNow()).toMatch(/^first_/);
    },
    slowMs,
  );
});
