import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { operatorConfig } from '../../../../src/api/operator-config.ts';
import { systemClock } from '../../../../src/base/clock.ts';
import { electionOf, whileLeading } from '../../../../src/cluster/kubernetes/election.ts';
import type { ApiClient } from '../../../../src/cluster/kubernetes/http.ts';

const parts = {
  client: {} as ApiClient,
  clock: systemClock,
  random: () => 0,
  log: pino({ level: 'silent' }),
  instance: 'backstay-5f7c',
};
const configured = (more: object) =>
  operatorConfig.parse({ leaderElection: { enabled: true, ...more } }).leaderElection;

describe('an election', () => {
  it('is not held when nobody asks for it: the work begins at once', async () => {
    expect(electionOf(operatorConfig.parse({}).leaderElection, parts)).toBeUndefined();
    const stop = new AbortController().signal;
    const worked: AbortSignal[] = [];
    await whileLeading(
      undefined,
      parts.client,
      stop,
      () => undefined,
      async (signal) => void worked.push(signal),
    );
    expect(worked).toEqual([stop]);
  });

  it('has the times of client-go, and a name of this process alone', () => {
    const [one, two] = [electionOf(configured({}), parts), electionOf(configured({}), parts)];
    expect(one).toMatchObject({ name: 'backstay', times: { leaseMs: 15_000, renewMs: 10_000, retryMs: 2_000 } });
    expect(one?.identity).toMatch(/^backstay-5f7c_[0-9a-f-]{36}$/);
    expect(two?.identity).not.toBe(one?.identity);
  });

  it.each([{ leaseDuration: '10s' }, { renewDeadline: '15s' }, { retryPeriod: '5s' }])(
    'with times by which two could lead is refused: %j',
    (times) => {
      expect(() => electionOf(configured(times), parts)).toThrow(
        expect.objectContaining({ reason: 'SpecInvalid', where: 'config.leaderElection' }),
      );
    },
  );
});
