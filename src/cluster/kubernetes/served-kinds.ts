import { apiVersion, kindNames } from '../../api/names.ts';
import { Fault } from '../../base/fault.ts';
import { kinds } from '../resource.ts';
import { ApiError } from './api-error.ts';
import type { ApiClient } from './http.ts';
import { groupVersionPath } from './paths.ts';

/**
 * Throws KindsMissing, naming them, unless the API server serves all of our kinds with a status: without them every
 * watch would fail in its own words for ever.
 */
export async function checkServedKinds(client: ApiClient): Promise<void> {
  const served = await servedResources(client);
  const missing = kinds
    .map((kind) => kindNames[kind].plural)
    .filter((plural) => !served.has(plural) || !served.has(`${plural}/status`));
  if (missing.length === 0) return;
  throw new Fault('KindsMissing', `the API server does not serve ${missing.join(', ')} of ${apiVersion}`);
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
