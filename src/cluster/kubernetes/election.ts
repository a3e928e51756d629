import { randomUUID } from 'node:crypto';
import type { OperatorConfig } from '../../api/operator-config.ts';
import { parseDurationMs } from '../../base/duration.ts';
import { Fault } from '../../base/fault.ts';
import type { ApiClient } from './http.ts';
import { becomeLeader, type LeaderOptions } from './leader.ts';
import type { ElectionTimes } from './lease.ts';

/** What the configuration asks for; undefined: no election. Throws SpecInvalid for times with which two could lead. */
export function electionOf(
  config: OperatorConfig['leaderElection'],
  { instance, ...parts }: Pick<LeaderOptions, 'client' | 'clock' | 'random' | 'log'> & { instance: string },
): LeaderOptions | undefined {
  if (!config.enabled) return undefined;
  const times: ElectionTimes = {
    leaseMs: parseDurationMs(config.leaseDuration),
    renewMs: parseDurationMs(config.renewDeadline),
    retryMs: parseDurationMs(config.retryPeriod),
  };
  if (times.renewMs <= 2 * times.retryMs || times.leaseMs <= times.renewMs) {
    throw new Fault('SpecInvalid', 'leaseDuration > renewDeadline > 2 * retryPeriod must hold', {
      where: 'config.leaderElection',
      hint: 'Leave the three out, or choose them like the defaults 15s, 10s and 2s.',
    });
  }
  const { namespace, name } = config;
  return { ...parts, namespace, name, times, identity: `${instance}_${randomUUID()}` };
}

/**
 * Does `work` while this process holds the lease, or at once when there is no election; then lets the lease go. When the
 * lease is lost the signal of `work` is aborted, `client` writes nothing any more, and `die` must end the process.
 * Resolves without having worked when `stop` is aborted before the lease was had.
 */
export async function whileLeading(
  election: LeaderOptions | undefined,
  client: ApiClient,
  stop: AbortSignal,
  die: (why: Error) => void,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  if (election === undefined) return work(stop);
  const leadership = await becomeLeader(election, stop);
  if (leadership === undefined) return;
  const { lost } = leadership;
  client.writeOnlyWhile(leadership.isLeading);
  const working = AbortSignal.any([stop, lost]);
  // After the abort has reached everybody who listens for it.
  lost.addEventListener('abort', () => queueMicrotask(() => die(lost.reason)), { once: true });
  try {
    await work(working);
  } finally {
    await leadership.release();
  }
}
