import { apiVersion, kindNames } from '../../api/names.ts';
import { type Clock, sleep } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { kinds } from '../resource.ts';
import { ApiError } from './api-error.ts';
import type { ApiClient } from './http.ts';
import { groupVersionPath } from './paths.ts';
import { describeUnknown, unknownToServer } from './served-schema.ts';

/**
 * Resolves when the API server serves our kinds as this version knows them; throws what `checkServedKinds` throws when it
 * still does not after `patienceMs`: what was just installed is published with some delay.
 */
export async function awaitServedKinds(
  client: ApiClient,
  clock: Clock,
  patienceMs: number,
  signal: AbortSignal,
): Promise<void> {
  const untilMs = clock.monotonicMs() + patienceMs;
  for (;;) {
    try {
      await checkServedKinds(client);
      return;
    } catch (error) {
      const isMissing = error instanceof Fault && error.reason === 'KindsMissing';
      if (!isMissing || clock.monotonicMs() >= untilMs) throw error;
    }
    await sleep(clock, 1_000, signal);
  }
}

/**
 * Throws KindsMissing, naming what is not there, unless the API server serves all of our kinds with a status and every
 * field that this version knows: without a kind every watch would fail in its own words for ever, and with an older
 * one every write.
 */
export async function checkServedKinds(client: ApiClient): Promise<void> {
  const served = await servedResources(client);
  const missing = kinds
    .map((kind) => kindNames[kind].plural)
    .filter((plural) => !served.has(plural) || !served.has(`${plural}/status`));
  if (missing.length > 0) {
    throw new Fault('KindsMissing', `the API server does not serve ${missing.join(', ')} of ${apiVersion}`);
  }
  const unknown = await unknownToServer(client);
  if (unknown.length > 0) throw new Fault('KindsMissing', describeUnknown(unknown));
}

async function servedResources(client: ApiClient): Promise<Set<string>> {
  try {
    const list = await client.json<{ resources: { name: string }[] }>({ method: 'GET', path: groupVersionPath });
    return new Set(list.resources.map(({ name }) => name));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return new Set();
    throw error;
  }
}
