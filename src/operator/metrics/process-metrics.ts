import type { Instruments, VisitOutcome, WatchInstrument } from '../../cluster/instruments.ts';
import type { Kind } from '../../cluster/resource.ts';
import type { Family, Labels } from './exposition.ts';
import { Histogram } from './histogram.ts';
import { WatchRegister } from './watch-register.ts';

/** What this process did since it started. Every replica has its own; nothing about a backup is told by these. */
export class ProcessMetrics implements Instruments {
  readonly watches: WatchRegister;
  readonly #version: string;
  readonly #queues = new Map<Kind, () => number>();
  readonly #reconciles = new Map<string, { labels: Labels; count: number }>();
  readonly #reconcileSeconds = new Histogram();
  readonly #requests = new Map<string, { labels: Labels; count: number }>();
  readonly #requestSeconds = new Histogram();

  constructor(version: string, monotonicMs: () => number) {
    this.#version = version;
    this.watches = new WatchRegister(monotonicMs);
  }

  apiRequest(method: string, code: string, ms: number): void {
    count(this.#requests, { method, code });
    this.#requestSeconds.observe({}, ms / 1000);
  }

  watchBegan(resource: string): WatchInstrument {
    return this.watches.begin(resource);
  }

  reconciled(kind: Kind, outcome: VisitOutcome, ms: number): void {
    count(this.#reconciles, { kind, outcome });
    this.#reconcileSeconds.observe({ kind }, ms / 1000);
  }

  queueMade(kind: Kind, depth: () => number): void {
    this.#queues.set(kind, depth);
  }

  families(leading: boolean): Family[] {
    const family = (type: Family['type'], name: string, help: string, samples: Family['samples']): Family => ({
      name,
      help,
      type,
      samples,
    });
    const counted = (counts: ReadonlyMap<string, { labels: Labels; count: number }>) =>
      [...counts.values()].map(({ labels, count: value }) => ({ labels, value }));
    const depths = [...this.#queues].map(([kind, depth]) => ({ labels: { kind }, value: depth() }));
    const restarts = [...this.watches.restarts].map(([resource, value]) => ({ labels: { resource }, value }));
    return [
      family('gauge', 'backstay_operator_info', 'The version of the operator.', [
        { labels: { version: this.#version }, value: 1 },
      ]),
      family('gauge', 'backstay_operator_leader', '1 in the one replica that works; the others wait.', [
        { labels: {}, value: leading ? 1 : 0 },
      ]),
      family('gauge', 'backstay_queue_depth', 'Objects that wait for a worker.', depths),
      family(
        'counter',
        'backstay_reconcile_total',
        'Visits of objects, by how they ended: the kind of the outcome, or gone, conflict, error.',
        counted(this.#reconciles),
      ),
      family(
        'histogram',
        'backstay_reconcile_duration_seconds',
        'How long visits took.',
        this.#reconcileSeconds.samples(),
      ),
      family(
        'counter',
        'backstay_watch_restarts_total',
        'Lists and watches that failed and were begun again.',
        restarts,
      ),
      family(
        'counter',
        'backstay_api_requests_total',
        'Requests to the API server, by HTTP status; error: no answer came.',
        counted(this.#requests),
      ),
      family(
        'histogram',
        'backstay_api_request_duration_seconds',
        'How long the API server took to begin its answer.',
        this.#requestSeconds.samples(),
      ),
    ];
  }
}

function count(counts: Map<string, { labels: Labels; count: number }>, labels: Labels): void {
  const key = Object.values(labels).join(' ');
  const found = counts.get(key);
  if (found === undefined) counts.set(key, { labels, count: 1 });
  else found.count++;
}
