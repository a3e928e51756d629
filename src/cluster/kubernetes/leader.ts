import { type Clock, sleep } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { ApiError } from './api-error.ts';
import type { ApiClient } from './http.ts';
import { Candidacy, type ElectionTimes, type Lease, type LeaseSpec } from './lease.ts';
import { microTime } from './micro-time.ts';
import { unlessGone } from './objects.ts';
import { leasePath, leasesPath } from './paths.ts';

export interface LeaderOptions {
  client: ApiClient;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  log: Logger;
  /** Of this process alone, also after a restart of its container: a new process waits for the old one's lease to end. */
  identity: string;
  namespace: string;
  name: string;
  times: ElectionTimes;
}

export interface Leadership {
  /** Aborted when the lease is not ours any more, or may not be: another process works now, this one must end. */
  lost: AbortSignal;
  /** Whether the others cannot have taken the lease yet. */
  isLeading(): boolean;
  /** Lets the next one take the lease at once. Only when nothing works any more. Never throws. */
  release(): Promise<void>;
}

/**
 * Resolves when this process holds the lease; until then and from then on it is looked at and renewed in the background.
 * Whatever the API server answers, it is tried again. Undefined when `signal` was aborted first.
 */
export async function becomeLeader(options: LeaderOptions, signal: AbortSignal): Promise<Leadership | undefined> {
  const { clock, log, random, times } = options;
  const election = new Election(options);
  let told: string | undefined;
  while (!signal.aborted) {
    try {
      if (await election.try()) return election.lead();
      const { holder } = election.candidacy;
      if (holder !== told) log.info({ holder }, 'another process holds the lease; waiting');
      told = holder;
    } catch (error) {
      log.warn({ err: error }, 'the lease cannot be had; it will be tried again');
    }
    // As client-go: up to 2.2 times the period, so that candidates do not come together.
    await sleep(clock, times.retryMs * (1 + 1.2 * random()), signal).catch(() => undefined);
  }
  return undefined;
}

class Election {
  readonly candidacy: Candidacy;
  readonly #options: LeaderOptions;
  readonly #lost = new AbortController();
  readonly #ended = new AbortController();

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.candidacy = new Candidacy(options.identity, options.times);
  }

  /** Looks, and takes or renews the lease when it may be had. False: it is somebody else's. */
  async try(): Promise<boolean> {
    const seen = await this.#look();
    return seen.mayTake(this.#options.clock.monotonicMs()) && this.#write();
  }

  lead(): Leadership {
    const { clock, log, identity } = this.#options;
    log.info({ holder: identity }, 'leading');
    const renewing = this.#renewUntilEnded();
    return {
      lost: this.#lost.signal,
      isLeading: () => !this.#lost.signal.aborted && this.candidacy.isLeading(clock.monotonicMs()),
      release: async () => {
        this.#ended.abort();
        await renewing;
        if (!this.#lost.signal.aborted) await this.#release();
      },
    };
  }

  async #renewUntilEnded(): Promise<void> {
    const { clock, log, times } = this.#options;
    const ended = this.#ended.signal;
    while (!ended.aborted && !this.#lost.signal.aborted) {
      // Set anew after each renewal; fires although a renewal hangs.
      const disarm = clock.after(this.candidacy.restMs(clock.monotonicMs()), () =>
        this.#lose(`the lease could not be renewed for ${times.renewMs / 1000} s`),
      );
      try {
        await sleep(clock, times.retryMs, AbortSignal.any([ended, this.#lost.signal]));
        await this.#renew();
      } catch (error) {
        if (!ended.aborted && !this.#lost.signal.aborted) log.warn({ err: error }, 'the lease was not renewed');
      } finally {
        disarm();
      }
    }
  }

  /** First without a look: as long as nobody else wrote the lease, one request renews it. */
  async #renew(): Promise<void> {
    while (!(await this.#write())) {
      const { holder } = await this.#look();
      if (holder !== undefined && holder !== this.candidacy.me) {
        this.#lose(`${holder} has taken the lease`);
        return;
      }
    }
  }

  #lose(why: string): void {
    if (this.#ended.signal.aborted || this.#lost.signal.aborted) return;
    this.#lost.abort(new Error(why));
  }

  async #look(): Promise<Candidacy> {
    const { client, clock, namespace, name } = this.#options;
    const path = leasePath(namespace, name);
    const found = await unlessGone(client.json<Lease>({ method: 'GET', path, ...this.#patience() }));
    this.candidacy.saw(found, clock.monotonicMs());
    return this.candidacy;
  }

  /** False: somebody wrote the lease since it was seen. */
  async #write(): Promise<boolean> {
    const { clock } = this.#options;
    const sentMs = clock.monotonicMs();
    try {
      const answer = await this.#send(this.candidacy.record(microTime(clock.nowMs())));
      this.candidacy.renewed(answer, sentMs);
      return true;
    } catch (error) {
      const codes = ['Conflict', 'AlreadyExists', 'NotFound'];
      if (error instanceof ApiError && codes.includes(error.code)) return false;
      throw error;
    }
  }

  // The version goes with it: of two who write at once one is refused. Whatever else is on the lease stays.
  #send(spec: LeaseSpec): Promise<Lease> {
    const { client, namespace, name } = this.#options;
    const { lease } = this.candidacy;
    const frame = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' };
    return lease === undefined
      ? client.json({
          method: 'POST',
          path: leasesPath(namespace),
          body: { ...frame, metadata: { namespace, name }, spec },
          ...this.#patience(),
        })
      : client.json({
          method: 'PUT',
          path: leasePath(namespace, name),
          body: { ...frame, metadata: lease.metadata, spec: { ...lease.spec, ...spec } },
          ...this.#patience(),
        });
  }

  /** A server that does not answer must leave time for a second try. */
  #patience(): { deadlineMs: number } {
    return { deadlineMs: this.#options.times.renewMs / 2 };
  }

  async #release(): Promise<void> {
    const { clock, log } = this.#options;
    try {
      // Whoever else writes something on the lease, such as an annotation, must not keep the next one waiting.
      for (let tries = 1; ; tries += 1) {
        try {
          await this.#send(this.candidacy.released(microTime(clock.nowMs())));
          log.info('the lease is released');
          return;
        } catch (error) {
          if (!(error instanceof ApiError && error.code === 'Conflict') || tries === 3) throw error;
        }
        const { holder } = await this.#look();
        if (holder !== this.candidacy.me) return;
      }
    } catch (error) {
      log.warn({ err: error }, 'the lease was not released; the next one waits until it is over');
    }
  }
}
