import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { ObjectEvent } from '../objects.ts';
import type { Resource } from '../resource.ts';
import { ApiError } from './api-error.ts';
import type { ApiClient } from './http.ts';
import { microTime } from './micro-time.ts';
import { eventsPath } from './paths.ts';

interface Series {
  name: string;
  count: number;
  lastMs: number;
}

interface Budget {
  tokens: number;
  filledMs: number;
}

/** An object that fails in a loop must not fill etcd: ten events at once, then one every 30 s. */
const burst = 10;
const refillMs = 30_000;
/** The server keeps an event for an hour; after that the same news is a new event. */
const seriesMs = 3_600_000;
const maxRemembered = 4_096;

/**
 * Writes events.k8s.io/v1 events. The same news about the same object is one event with a count. Best effort by
 * contract: what fails is logged and forgotten.
 */
export class EventRecorder {
  readonly #client: ApiClient;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #instance: string;
  readonly #series = new Map<string, Series>();
  readonly #budgets = new Map<string, Budget>();

  /** `instance` tells two replicas apart: the name of the pod or machine. */
  constructor(options: { client: ApiClient; clock: Clock; log: Logger; instance: string }) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#instance = options.instance;
  }

  async record(object: Resource, event: ObjectEvent): Promise<void> {
    try {
      await this.#record(object, event);
    } catch (error) {
      const { namespace, name } = object.metadata;
      this.#log.warn({ object: `${namespace}/${name}`, reason: event.reason, err: error }, 'event not recorded');
    }
  }

  async #record(object: Resource, event: ObjectEvent): Promise<void> {
    const { uid, namespace, name } = object.metadata;
    const nowMs = this.#clock.nowMs();
    const news = [uid, event.type, event.reason, event.message].join('\n');
    const running = this.#series.get(news);
    const series: Series =
      running !== undefined && nowMs - running.lastMs < seriesMs
        ? { ...running, count: running.count + 1, lastMs: nowMs }
        : { name: eventName(name, news, nowMs), count: 1, lastMs: nowMs };
    remember(this.#series, news, series);
    if (!this.#mayWrite(uid, nowMs)) return;
    if (series.count > 1 && (await this.#continue(namespace, series))) return;
    const body = eventBody(object, event, { name: series.name, instance: this.#instance, nowMs });
    await this.#client.json({ method: 'POST', path: eventsPath(namespace), body, deadlineMs: 5_000 });
  }

  /** False when the event is no longer there. */
  async #continue(namespace: string, { name, count, lastMs }: Series): Promise<boolean> {
    try {
      await this.#client.json({
        method: 'PATCH',
        path: `${eventsPath(namespace)}/${encodeURIComponent(name)}`,
        body: { series: { count, lastObservedTime: microTime(lastMs) } },
        deadlineMs: 5_000,
      });
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.code === 'NotFound') return false;
      throw error;
    }
  }

  #mayWrite(uid: string, nowMs: number): boolean {
    const budget = this.#budgets.get(uid) ?? { tokens: burst, filledMs: nowMs };
    const refilled = Math.floor((nowMs - budget.filledMs) / refillMs);
    const tokens = Math.min(burst, budget.tokens + refilled);
    remember(this.#budgets, uid, { tokens: Math.max(0, tokens - 1), filledMs: budget.filledMs + refilled * refillMs });
    return tokens > 0;
  }
}

/** Puts the entry last and drops the one that was longest without news. */
function remember<V>(entries: Map<string, V>, key: string, value: V): void {
  entries.delete(key);
  entries.set(key, value);
  if (entries.size > maxRemembered) entries.delete(entries.keys().next().value as string);
}

// Deterministic but for the time: a name of at most 253 characters that two replicas do not both choose by accident.
function eventName(objectName: string, news: string, nowMs: number): string {
  const digest = createHash('sha256').update(`${news}\n${nowMs}`).digest('hex').slice(0, 16);
  return `${objectName.slice(0, 230)}.${digest}`;
}

function eventBody(
  { apiVersion, kind, metadata: { name, namespace, uid } }: Resource,
  { type, reason, message }: ObjectEvent,
  { name: eventName, instance, nowMs }: { name: string; instance: string; nowMs: number },
): object {
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: eventName, namespace },
    eventTime: microTime(nowMs),
    reportingController: 'backstay.dev/operator',
    reportingInstance: instance.slice(0, 128),
    action: 'Reconcile',
    type,
    reason,
    note: atMostBytes(message, 1024),
    regarding: { apiVersion, kind, name, namespace, uid },
  };
}

/** Cut at the end, never inside of a character. */
function atMostBytes(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const cut = Buffer.from(text)
    .subarray(0, bytes - 3)
    .toString('utf8');
  return `${cut.replace(/\uFFFD+$/, '')}…`;
}
