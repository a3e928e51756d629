import { kindNames } from '../api/names.ts';
import { createIntervalOf } from '../api/schedule-interval.ts';
import type { Clock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Logger } from '../base/log.ts';
import type { Objects } from '../cluster/objects.ts';
import { type HttpServer, type Route, serveHttp } from './http-server.ts';
import { contentType, exposition } from './metrics/exposition.ts';
import { objectFamilies } from './metrics/object-families.ts';
import type { ProcessMetrics } from './metrics/process-metrics.ts';

/** How far this process has come; whoever starts it keeps it true. */
export interface OperatorState {
  /** Our kinds are served by the API server in a version that we know. */
  kindsServed: boolean;
  /** This replica works. Without leader election: from the start of the controllers. */
  leading: boolean;
}

export interface ObserveOptions {
  port: number;
  state: Readonly<OperatorState>;
  metrics: ProcessMetrics;
  objects: Pick<Objects, 'list'>;
  clock: Clock;
  log: Logger;
  /** A watch that is silent for so long is dead, and with it this process. */
  silenceLimitMs: number;
}

/** The kinds that metrics tell of, and what their watches are called. */
const toldKinds = ['BackupPolicy', 'BackupRun', 'RestoreRequest'] as const;
const told = toldKinds.map((kind) => kindNames[kind].plural);

// Whoever may reach the port may ask: computing the text for thousands of objects must not be made a weapon.
const scrapeAtMostEveryMs = 1_000;

/** Serves /healthz, /readyz and /metrics until it is closed. Throws SpecInvalid when the port cannot be had. */
export async function observe(options: ObserveOptions): Promise<HttpServer> {
  const routes = { '/healthz': alive(options), '/readyz': ready(options), '/metrics': metricsOf(options) };
  try {
    return await serveHttp(options.port, routes, options.log);
  } catch (cause) {
    throw new Fault('SpecInvalid', `port ${options.port} cannot be listened on: ${(cause as Error).message}`, {
      where: 'config.http.port',
      hint: 'Choose a port that nobody uses; 0 takes any.',
      cause,
    });
  }
}

/** That a replica waits for the lease or that a first list is slow is no reason to kill it; a deaf watch is. */
function alive({ metrics, silenceLimitMs }: ObserveOptions): Route {
  return () => {
    const silent = metrics.watches.silentFor(silenceLimitMs);
    return silent.length === 0
      ? { status: 200, body: 'ok\n' }
      : { status: 503, body: `nothing was heard of ${silent.join(', ')} for ${silenceLimitMs / 1000} s\n` };
  };
}

/** A replica that waits for the lease is ready: it can take over at once. */
function ready({ metrics, state }: ObserveOptions): Route {
  return () => {
    if (!state.kindsServed) return { status: 503, body: 'not known yet that the kinds are served\n' };
    const unheard = metrics.watches.unheard(state.leading ? told : []);
    return unheard.length === 0
      ? { status: 200, body: 'ok\n' }
      : { status: 503, body: `the first list has not come yet of ${unheard.join(', ')}\n` };
  };
}

function metricsOf({ metrics, state, objects, clock }: ObserveOptions): Route {
  const intervalOf = createIntervalOf();
  let last: { atMs: number; text: Promise<string> } | undefined;

  async function scrape(): Promise<string> {
    const own = metrics.families(state.leading);
    // Half-read objects would look like policies that are gone; and a list that waits for an API server that is away
    // would keep back what this process has to say about that.
    if (!state.leading || metrics.watches.unheard(told).length > 0) return exposition(own);
    const [policies, runs, requests] = await Promise.all(toldKinds.map((kind) => objects.list(kind)));
    const all = { policies: policies ?? [], runs: runs ?? [], requests: requests ?? [] };
    return exposition([...objectFamilies(all, intervalOf, clock.nowMs()), ...own]);
  }

  return async () => {
    const nowMs = clock.nowMs();
    // A clock that was set back must not keep an old text alive.
    if (last === undefined || Math.abs(nowMs - last.atMs) >= scrapeAtMostEveryMs)
      last = { atMs: nowMs, text: scrape() };
    return { status: 200, contentType, body: await last.text };
  };
}
