import { ApiError } from './api-error.ts';
import type { ApiClient } from './http.ts';

/** What every object has; the rest is the business of whoever asked for it. */
export interface RawObject {
  metadata: { name: string; namespace?: string; uid: string; resourceVersion: string };
}

interface Page {
  metadata: { resourceVersion: string; continue?: string };
  items: RawObject[];
}

export interface RawList<T = RawObject> {
  /** The moment the list is of: a watch goes on from there. */
  resourceVersion: string;
  items: T[];
}

const pageSize = 500;

/**
 * Everything at the path, page by page, all pages of one moment; of each object only what `keep` makes of it, so that a
 * long list is never in memory as the server sends it. A token that expired between two pages (the server
 * compacts old versions after 5 minutes) begins the list again; one that expires every time is the caller's to retry.
 */
export async function listAll<T = RawObject>(
  client: ApiClient,
  path: string,
  query: Record<string, string> = {},
  signal?: AbortSignal,
  keep: (raw: RawObject) => T = (raw) => raw as T,
): Promise<RawList<T>> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listOnce(client, path, query, signal, keep);
    } catch (error) {
      if (!isExpired(error) || attempt === 3) throw error;
    }
  }
}

async function listOnce<T>(
  client: ApiClient,
  path: string,
  query: Record<string, string>,
  signal: AbortSignal | undefined,
  keep: (raw: RawObject) => T,
): Promise<RawList<T>> {
  const items: T[] = [];
  let token = '';
  for (;;) {
    const page = await client.json<Page>({
      method: 'GET',
      path,
      query: { ...query, limit: String(pageSize), ...(token !== '' && { continue: token }) },
      ...(signal && { signal }),
    });
    for (const raw of page.items) items.push(keep(raw));
    token = page.metadata.continue ?? '';
    if (token === '') return { resourceVersion: page.metadata.resourceVersion, items };
  }
}

/** The version that the server is at, for one object at most. */
export async function currentVersion(
  client: ApiClient,
  path: string,
  query: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<string> {
  const one = { ...query, limit: '1' };
  const page = await client.json<Page>({ method: 'GET', path, query: one, ...(signal && { signal }) });
  return page.metadata.resourceVersion;
}

/** The version asked for is no longer there: only a new list helps. */
export const isExpired = (error: unknown): boolean => error instanceof ApiError && error.status === 410;
