import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AgentLog } from '../../../../src/cluster/kubernetes/agent-log.ts';
import type { Progress } from '../../../../src/contract/progress.ts';
import { eventually } from '../../../harness/eventually.ts';
import { FakeClock } from '../../../harness/fake-clock.ts';
import { type Answer, scriptedServer, sendStatus } from './scripted-server.ts';

const progress: Progress = { atMs: 1, step: 'dump', plainBytes: 2, storedBytes: 1, bytesPerSecond: 1 };
const said: Answer = (response) => response.end(`${JSON.stringify({ progress })}\n`);
const pod = (uid: string) => ({ namespace: 'prod', name: `pod-${uid}`, uid });

let answer: Answer;
let clock: FakeClock;
let server: Awaited<ReturnType<typeof scriptedServer>>;
let log: AgentLog;
beforeEach(async () => {
  answer = said;
  clock = new FakeClock();
  server = await scriptedServer((response, request) => answer(response, request));
  log = new AgentLog(server.client(), clock, 10_000);
});
afterEach(() => server.close());

describe('the log of an agent', () => {
  it('is asked for its last lines', async () => {
    expect(await log.progressOf(pod('a'))).toEqual(progress);
    const [{ path, query }] = server.requests as [(typeof server.requests)[0]];
    expect(path).toBe('/api/v1/namespaces/prod/pods/pod-a/log');
    expect(Object.fromEntries(query)).toEqual({ container: 'agent', tailLines: '10', limitBytes: '65536' });
  });

  it('is asked once in ten seconds, however often its pod is looked at, and each pod on its own', async () => {
    for (let second = 0; second < 30; second += 1) {
      await log.progressOf(pod('a'));
      if (second === 5) expect(await log.progressOf(pod('b'))).toEqual(progress);
      await clock.advance(1_000);
    }
    expect(server.requests.filter(({ path }) => path.includes('pod-a'))).toHaveLength(3);
    expect(server.requests.filter(({ path }) => path.includes('pod-b'))).toHaveLength(1);
  });

  it('is not asked for faster when there is no answer, and nobody hears of that', async () => {
    answer = (response) => sendStatus(response, 500, 'InternalError');
    expect(await log.progressOf(pod('a'))).toBeUndefined();
    answer = said;
    expect(await log.progressOf(pod('a'))).toBeUndefined();
    await clock.advance(10_000);
    expect(await log.progressOf(pod('a'))).toEqual(progress);
  });

  it('holds nobody up whose kubelet says nothing', async () => {
    answer = () => {};
    const asked = log.progressOf(pod('a'));
    await eventually(() => expect(server.requests).toHaveLength(1));
    await clock.advance(3_000);
    expect(await asked).toBeUndefined();
  });

  it('holds nobody up whose kubelet stops in the middle', async () => {
    answer = (response) => response.write('{"level":');
    const asked = log.progressOf(pod('a'));
    await eventually(() => expect(server.requests).toHaveLength(1));
    await clock.advance(3_000);
    expect(await asked).toBeUndefined();
  });

  it('is asked for again when the clock was set back', async () => {
    await log.progressOf(pod('a'));
    const earlier = new FakeClock(clock.nowMs() - 3_600_000);
    clock.nowMs = () => earlier.nowMs();
    expect(await log.progressOf(pod('a'))).toEqual(progress);
  });
});
