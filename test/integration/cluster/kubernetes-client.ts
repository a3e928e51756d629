import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { parse } from 'yaml';
import { systemClock } from '../../../src/base/clock.ts';
import { connectByKubeconfig } from '../../../src/cluster/kubernetes/connect.ts';
import { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { KubernetesObjects } from '../../../src/cluster/kubernetes/objects.ts';
import { checkServedKinds } from '../../../src/cluster/kubernetes/served-kinds.ts';
import type { ObjectsError } from '../../../src/cluster/objects.ts';
import type { Resource } from '../../../src/cluster/resource.ts';
import { eventually } from '../../harness/eventually.ts';

export const silentLog = pino({ level: 'silent' });

export const clientOf = (path: string, context?: string): ApiClient =>
  new ApiClient(connectByKubeconfig({ path, ...(context !== undefined && { context }) }), systemClock);

export const objectsOf = (client: ApiClient): KubernetesObjects =>
  new KubernetesObjects({ client, clock: systemClock, random: Math.random, log: silentLog, instance: 'test' });

/** Makes crds/*.yaml what the server serves, and waits until it does. */
export async function installKinds(client: ApiClient): Promise<void> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  for (const file of readdirSync('crds')) {
    const body = parse(await readFile(`crds/${file}`, 'utf8'));
    await client.json({ method: 'POST', path, body }).catch((error: ObjectsError) => {
      if (error.code !== 'AlreadyExists') throw error;
      return client.json({ method: 'PATCH', path: `${path}/${body.metadata.name}`, body });
    });
  }
  await eventually(() => checkServedKinds(client));
}

/** A namespace of a name that none had before. */
export async function freshNamespace(client: ApiClient, labels: Record<string, string> = {}): Promise<string> {
  const { metadata } = await client.json<{ metadata: { name: string } }>({
    method: 'POST',
    path: '/api/v1/namespaces',
    body: { metadata: { generateName: 'test-', labels } },
  });
  return metadata.name;
}

/** Events about the object, the oldest first. */
export async function eventsOf(client: ApiClient, { metadata: { namespace, uid } }: Resource): Promise<EventSeen[]> {
  const { items } = await client.json<{ items: EventSeen[] }>({
    method: 'GET',
    path: `/api/v1/namespaces/${namespace}/events`,
    query: { fieldSelector: `involvedObject.uid=${uid}` },
  });
  return items.sort((a, b) => a.eventTime.localeCompare(b.eventTime));
}

interface EventSeen {
  type: string;
  reason: string;
  message: string;
  eventTime: string;
}
