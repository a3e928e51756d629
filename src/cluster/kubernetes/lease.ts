/** coordination.k8s.io/v1 Lease, the part of it that is read and written here. */
export interface Lease {
  metadata: { name: string; namespace: string; resourceVersion?: string; [more: string]: unknown };
  spec?: LeaseSpec;
}

export interface LeaseSpec {
  holderIdentity?: string | null;
  leaseDurationSeconds?: number | null;
  acquireTime?: string | null;
  renewTime?: string | null;
  leaseTransitions?: number | null;
}

export interface ElectionTimes {
  /** How long the others wait after the last change they saw. */
  leaseMs: number;
  /** How long the holder goes on after the last renewal that it knows of. Shorter than `leaseMs`. */
  renewMs: number;
  /** The pause between two tries. */
  retryMs: number;
}

/**
 * What one candidate knows and may conclude, without any I/O; after the model of client-go. All times are of its own
 * monotonic clock: what another machine wrote into the lease as a time is for people. So two never hold the lease at
 * once as long as no clock runs faster than another by more than `leaseMs` to `renewMs`.
 */
export class Candidacy {
  readonly me: string;
  readonly #times: ElectionTimes;
  /** The record as it was last seen, and since when it has been seen unchanged. */
  #seen: { record: string; sinceMs: number } | undefined;
  #lease: Lease | undefined;
  #renewedMs: number | undefined;

  constructor(me: string, times: ElectionTimes) {
    this.me = me;
    this.#times = times;
  }

  /** The lease as the server has it; undefined: there is none. */
  get lease(): Lease | undefined {
    return this.#lease;
  }

  get holder(): string | undefined {
    return this.#lease?.spec?.holderIdentity || undefined;
  }

  /** The server answered that the lease is so. `nowMs`: when the answer was there. */
  saw(lease: Lease | undefined, nowMs: number): void {
    const record = JSON.stringify(lease?.spec ?? {});
    if (record !== this.#seen?.record) this.#seen = { record, sinceMs: nowMs };
    this.#lease = lease;
  }

  /** The server has taken our record. `sentMs`: when it was sent; the others cannot have seen it earlier. */
  renewed(lease: Lease, sentMs: number): void {
    this.saw(lease, sentMs);
    this.#renewedMs = sentMs;
  }

  /** Nobody holds the lease, or its holder has shown no sign of life for as long as it promised to. */
  mayTake(nowMs: number): boolean {
    if (this.holder === undefined || this.holder === this.me) return true;
    const promisedMs = (this.#lease?.spec?.leaseDurationSeconds ?? 0) * 1000;
    return this.#seen !== undefined && nowMs - this.#seen.sinceMs > promisedMs;
  }

  /** The others cannot have taken the lease yet. Asked before everything that only a leader may do. */
  isLeading(nowMs: number): boolean {
    return this.#renewedMs !== undefined && nowMs - this.#renewedMs < this.#times.renewMs;
  }

  /** How long until `isLeading` ends unless the lease is renewed. */
  restMs(nowMs: number): number {
    return this.#renewedMs === undefined ? 0 : Math.max(0, this.#renewedMs + this.#times.renewMs - nowMs);
  }

  /** The record with which we take or renew the lease. `now`: MicroTime. */
  record(now: string): LeaseSpec {
    const before = this.#lease?.spec;
    const isMine = this.holder === this.me;
    return {
      holderIdentity: this.me,
      leaseDurationSeconds: Math.ceil(this.#times.leaseMs / 1000),
      acquireTime: isMine ? (before?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions:
        isMine || before === undefined ? (before?.leaseTransitions ?? 0) : (before.leaseTransitions ?? 0) + 1,
    };
  }

  /** The record with which we let go: the next one need not wait. */
  released(now: string): LeaseSpec {
    const { leaseTransitions } = this.#lease?.spec ?? {};
    return {
      holderIdentity: '',
      leaseDurationSeconds: 1,
      acquireTime: now,
      renewTime: now,
      leaseTransitions: leaseTransitions ?? 0,
    };
  }
}
