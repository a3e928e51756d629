import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Candidacy, type Lease, type LeaseSpec } from '../../../../src/cluster/kubernetes/lease.ts';

const times = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2_000 };
const now = '2026-01-01T00:00:00.000000Z';
const leaseOf = (spec: LeaseSpec, resourceVersion = '1'): Lease => ({
  metadata: { name: 'backstay', namespace: 'here', resourceVersion },
  spec,
});
const held = (renewTime = now): Lease =>
  leaseOf({ holderIdentity: 'other', leaseDurationSeconds: 15, renewTime, acquireTime: now, leaseTransitions: 4 });

describe('a candidate', () => {
  it('takes a lease that is not there, is released, or is its own', () => {
    const candidate = new Candidacy('me', times);
    for (const lease of [undefined, leaseOf({}), leaseOf({ holderIdentity: '' }), leaseOf({ holderIdentity: 'me' })]) {
      candidate.saw(lease, 0);
      expect(candidate.mayTake(0)).toBe(true);
    }
  });

  it('waits for as long as the holder promised, counted from the last change that it saw itself', () => {
    const candidate = new Candidacy('me', times);
    candidate.saw(held(), 1_000);
    expect(candidate.mayTake(16_000)).toBe(false);
    expect(candidate.mayTake(16_001)).toBe(true);
    candidate.saw(held('2026-01-01T00:00:02.000000Z'), 16_002);
    expect(candidate.mayTake(31_002)).toBe(false);
    candidate.saw(held('2026-01-01T00:00:02.000000Z'), 31_003);
    expect(candidate.mayTake(31_003)).toBe(true);
  });

  it.each(['1999-01-01T00:00:00.000000Z', '2099-01-01T00:00:00.000000Z'])(
    'does not care that the clock of the holder says %s',
    (renewTime) => {
      const candidate = new Candidacy('me', times);
      candidate.saw(held(renewTime), 5);
      expect([candidate.mayTake(15_005), candidate.mayTake(15_006)]).toEqual([false, true]);
    },
  );

  it('counts a change of holder and keeps the rest when it only renews', () => {
    const candidate = new Candidacy('me', times);
    candidate.saw(held(), 0);
    const taken = candidate.record('2026-01-01T00:01:00.000000Z');
    expect(taken).toEqual({
      holderIdentity: 'me',
      leaseDurationSeconds: 15,
      acquireTime: '2026-01-01T00:01:00.000000Z',
      renewTime: '2026-01-01T00:01:00.000000Z',
      leaseTransitions: 5,
    });
    candidate.renewed(leaseOf(taken), 0);
    expect(candidate.record('2026-01-01T00:01:02.000000Z')).toEqual({
      ...taken,
      renewTime: '2026-01-01T00:01:02.000000Z',
    });
    expect(candidate.released(now)).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1, leaseTransitions: 5 });
  });

  it('leads until its deadline, counted from when it sent what was accepted', () => {
    const candidate = new Candidacy('me', times);
    expect(candidate.isLeading(0)).toBe(false);
    candidate.renewed(leaseOf(candidate.record(now)), 100);
    expect([candidate.isLeading(10_099), candidate.restMs(10_000)]).toEqual([true, 100]);
    expect([candidate.isLeading(10_100), candidate.restMs(99_999)]).toEqual([false, 0]);
  });
});

const tickMs = 100;

interface Trouble {
  atMs: number;
  lastsMs: number;
  node: number;
  /** `pause`: the process is frozen. `mute`: its requests do not arrive. `deaf`: they arrive, the answers do not. */
  kind: 'pause' | 'mute' | 'deaf';
}

interface Flight {
  sentMs: number;
  arrivesMs: number;
  answersMs: number;
  write: { version: number; spec: LeaseSpec } | undefined;
  answer?: Lease | 'conflict' | undefined;
  isAnswered: boolean;
}

interface Machine {
  at: number;
  candidacy: Candidacy;
  isLeader: boolean;
  nextMs: number;
  mustLook: boolean;
  flight: Flight | undefined;
}

/** A server, three processes on machines with wrong and drifting clocks, and a network that loses and delays. */
class World {
  #version = 0;
  #lease: Lease | undefined;
  readonly #nodes: Machine[];
  #t = 0;
  readonly #troubles: Trouble[];
  readonly #latencyMs: () => number;
  readonly #rates: number[];
  #starts = 0;
  leadersAtEnd = 0;

  constructor(rates: number[], troubles: Trouble[], latencies: number[]) {
    this.#rates = rates;
    this.#troubles = troubles;
    let next = 0;
    this.#latencyMs = () => latencies[next++ % latencies.length] ?? 0;
    this.#nodes = rates.map((_, at) => this.#start(at, at * 1e9));
  }

  #start(at: number, nextMs: number): Machine {
    const candidacy = new Candidacy(`node-${at}-${this.#starts++}`, times);
    return { at, candidacy, isLeader: false, nextMs, mustLook: true, flight: undefined };
  }

  #local(at: number): number {
    return at * 1e9 + this.#t * (this.#rates[at] ?? 1);
  }

  #has(kind: Trouble['kind'], node: number): boolean {
    const { length } = this.#rates;
    return this.#troubles.some(
      (one) =>
        one.kind === kind && one.node % length === node && this.#t >= one.atMs && this.#t < one.atMs + one.lastsMs,
    );
  }

  run(untilMs: number): void {
    for (; this.#t < untilMs; this.#t += tickMs) {
      for (const node of this.#nodes) this.#serve(node);
      let leaders = 0;
      for (const node of this.#nodes) {
        if (this.#has('pause', node.at)) continue;
        this.#live(node);
        if (node.isLeader && node.candidacy.isLeading(this.#local(node.at))) leaders++;
      }
      if (leaders > 1) throw new Error(`${leaders} leaders at ${this.#t} ms`);
      this.leadersAtEnd = leaders;
    }
  }

  #serve({ at, flight }: Machine): void {
    if (flight === undefined || flight.isAnswered || this.#t < flight.arrivesMs) return;
    flight.isAnswered = true;
    if (this.#has('mute', at)) flight.answersMs = Number.POSITIVE_INFINITY;
    else if (flight.write === undefined) flight.answer = this.#lease;
    else if (flight.write.version !== this.#version) flight.answer = 'conflict';
    else flight.answer = this.#lease = leaseOf(flight.write.spec, String(++this.#version));
    if (this.#has('deaf', at)) flight.answersMs = Number.POSITIVE_INFINITY;
  }

  #live(node: Machine): void {
    const nowMs = this.#local(node.at);
    const { candidacy, flight } = node;
    if (node.isLeader && !candidacy.isLeading(nowMs)) {
      Object.assign(node, this.#start(node.at, nowMs + 1_000));
      return;
    }
    if (flight !== undefined && (flight.isAnswered ? this.#t >= flight.answersMs : false)) this.#hear(node, flight);
    else if (flight !== undefined && nowMs - flight.sentMs > times.renewMs / 2) {
      Object.assign(node, { flight: undefined, mustLook: true, nextMs: nowMs + times.retryMs });
    }
    if (node.flight === undefined && nowMs >= node.nextMs) this.#send(node);
  }

  #hear(node: Machine, { sentMs, write, answer }: Flight): void {
    const nowMs = this.#local(node.at);
    const { candidacy } = node;
    node.flight = undefined;
    node.nextMs = nowMs + times.retryMs;
    if (write === undefined) {
      candidacy.saw(answer as Lease | undefined, nowMs);
      node.mustLook = false;
      const { holder } = candidacy;
      if (node.isLeader && holder !== undefined && holder !== candidacy.me) {
        Object.assign(node, this.#start(node.at, nowMs + 1_000));
      } else if (candidacy.mayTake(nowMs)) node.nextMs = nowMs;
      else node.mustLook = true;
    } else if (answer === 'conflict') Object.assign(node, { mustLook: true, nextMs: nowMs });
    else {
      candidacy.renewed(answer as Lease, sentMs);
      node.isLeader = true;
    }
  }

  #send(node: Machine): void {
    const arrivesMs = this.#t + this.#latencyMs();
    const { candidacy } = node;
    const version = Number(candidacy.lease?.metadata.resourceVersion ?? 0);
    const write = node.mustLook ? undefined : { version, spec: candidacy.record(String(this.#t)) };
    const answersMs = arrivesMs + this.#latencyMs();
    node.flight = { sentMs: this.#local(node.at), arrivesMs, answersMs, write, isAnswered: false };
  }
}

const trouble: fc.Arbitrary<Trouble> = fc.record({
  atMs: fc.nat(90_000),
  lastsMs: fc.nat(40_000),
  node: fc.nat(2),
  kind: fc.constantFrom('pause', 'mute', 'deaf'),
});
// A clock may be a fifth faster than another: 15 s to 10 s leaves room for that.
const rates = fc.array(fc.double({ min: 0.92, max: 1.1, noNaN: true }), { minLength: 3, maxLength: 3 });
const latencies = fc.array(fc.integer({ min: 0, max: 7_000 }), { minLength: 1, maxLength: 12 });

describe('an election among machines that freeze, drift, and lose requests and answers', () => {
  it('never has two leaders, and has one again when the troubles are over', () => {
    fc.assert(
      fc.property(rates, fc.array(trouble, { maxLength: 8 }), latencies, (clocks, troubles, delays) => {
        const world = new World(
          clocks,
          troubles,
          delays.map((ms) => ms / 4),
        );
        world.run(200_000);
        expect(world.leadersAtEnd).toBe(1);
      }),
      { numRuns: 400 },
    );
  });

  it('never has two leaders, however slow the network is', () => {
    fc.assert(
      fc.property(rates, fc.array(trouble, { maxLength: 8 }), latencies, (clocks, troubles, delays) => {
        new World(clocks, troubles, delays).run(150_000);
      }),
      { numRuns: 400 },
    );
  });
});
