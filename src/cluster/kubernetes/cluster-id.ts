import { ApiError } from './api-error.ts';
import type { ApiClient } from './http.ts';
import { leasePath, namespacePath } from './paths.ts';

/** Where the operator lives: its namespace, and its lease there when it elects a leader. */
export interface Home {
  namespace: string;
  lease?: string;
}

const annotation = 'backstay.dev/cluster-id';

interface Named {
  metadata: { uid: string; resourceVersion: string; annotations?: Record<string, string> };
}

/**
 * The name of this cluster in the owner records of repositories: the UID of kube-system, or, with rights in some
 * namespaces only, that of the operator's own. It must never change for an install, or every repository would belong to
 * somebody else: so it is written on the lease, and what stands there is valid whatever the rights are now.
 */
export async function readClusterId(
  client: ApiClient,
  namespaces: readonly string[],
  home: Home | undefined,
): Promise<string> {
  const lease = home?.lease === undefined ? undefined : leasePath(home.namespace, home.lease);
  const anchor = namespaces.length === 0 || home === undefined ? 'kube-system' : home.namespace;
  for (let attempt = 1; ; attempt++) {
    const record = lease === undefined ? undefined : await client.json<Named>({ method: 'GET', path: lease });
    const written = record?.metadata.annotations?.[annotation];
    if (written !== undefined) return written;
    const { uid } = (await client.json<Named>({ method: 'GET', path: namespacePath(anchor) })).metadata;
    if (lease === undefined || record === undefined) return uid;
    const { resourceVersion } = record.metadata;
    const metadata = { resourceVersion, annotations: { [annotation]: uid } };
    try {
      await client.json({ method: 'PATCH', path: lease, body: { metadata } });
      return uid;
    } catch (error) {
      // The lease was renewed meanwhile.
      if (!(error instanceof ApiError && error.code === 'Conflict') || attempt === 10) throw error;
    }
  }
}
