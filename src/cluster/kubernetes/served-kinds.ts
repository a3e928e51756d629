import { apiVersion, kindNames } from '../../api/names.ts';
import { type Clock, sleep } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { kinds } from '../resource.ts';
import { ApiError } from './api-error.ts';
import type { ApiClient } from './http.ts';
import { groupVersionPath } from './paths.ts';
import { describeUnknown, unknownToServer } from './served-schema.ts';

export interface AwaitOptions {
  client: ApiClient;
  clock: Clock;
  log: Logger;
  patienceMs: number;
  signal: AbortSignal;
}

/**
 * Resolves when the API server serves our kinds as this version knows them, and when `signal` is aborted. A server that
 * is away is asked again until it is there: a process that ended for it would come back ever later, because the kubelet
 * doubles its pause. Throws what `checkServedKinds` throws when the server still does not serve them `patienceMs` after
 * it was first there: what was just installed is published with some delay.
 */
export async function awaitServedKinds({ client, clock, log, patienceMs, signal }: AwaitOptions): Promise<void> {
  let untilMs: number | undefined;
  let isSaid = false;
  while (!signal.aborted) {
    try {
      await checkServedKinds(client, signal);
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.code === 'Unavailable') {
        untilMs = undefined;
        if (!isSaid) log.warn({ err: error }, 'the API server is away; asking again');
        isSaid = true;
      } else {
        untilMs ??= clock.monotonicMs() + patienceMs;
        const isMissing = error instanceof Fault && error.reason === 'KindsMissing';
        if (!isMissing || clock.monotonicMs() >= untilMs) throw error;
      }
    }
    await sleep(clock, 1_000, signal).catch(() => undefined);
  }
}

/**
 * Throws KindsMissing, naming what is not there, unless the API server serves all of our kinds with a status and every
 * field that this version knows: without a kind every watch would fail in its own words for ever, and with an older
 * one every write.
 */
export async function checkServedKinds(client: ApiClient, signal?: AbortSignal): Promise<void> {
  const served = await servedResources(client, signal);
  const missing = kinds
    .map((kind) => kindNames[kind].plural)
    .filter((plural) => !served.has(plural) || !served.has(`${plural}/status`));
  if (missing.length > 0) {
    throw new Fault('KindsMissing', `the API server does not serve ${missing.join(', ')} of ${apiVersion}`);
  }
  const unknown = await unknownToServer(client, signal);
  if (unknown.length > 0) throw new Fault('KindsMissing', describeUnknown(unknown));
}

async function servedResources(client: ApiClient, signal: AbortSignal | undefined): Promise<Set<string>> {
  try {
    const list = await client.json<{ resources: { name: string }[] }>({
      method: 'GET',
      path: groupVersionPath,
      ...(signal && { signal }),
    });
    return new Set(list.resources.map(({ name }) => name));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return new Set();
    throw error;
  }
}
