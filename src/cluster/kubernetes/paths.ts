import { group, kindNames, version } from '../../api/names.ts';
import type { Kind, ObjectKey } from '../resource.ts';

/** Where things are served. Names come from users: they are encoded, so that none can climb to another path. */
export const groupVersionPath = `/apis/${group}/${version}`;

export function kindPath(kind: Kind, namespace?: string): string {
  return collection(groupVersionPath, kindNames[kind].plural, namespace);
}

export function objectPath(kind: Kind, { namespace, name }: ObjectKey): string {
  return `${kindPath(kind, namespace)}/${encodeURIComponent(name)}`;
}

export const namespacePath = (name: string): string => `/api/v1/namespaces/${encodeURIComponent(name)}`;
export const leasesPath = (namespace: string): string =>
  collection('/apis/coordination.k8s.io/v1', 'leases', namespace);
export const leasePath = (namespace: string, name: string): string =>
  `${leasesPath(namespace)}/${encodeURIComponent(name)}`;
export const jobsPath = (namespace?: string): string => collection('/apis/batch/v1', 'jobs', namespace);
export const podsPath = (namespace?: string): string => collection('/api/v1', 'pods', namespace);
export const podLogPath = (namespace: string, name: string): string =>
  `${podsPath(namespace)}/${encodeURIComponent(name)}/log`;
export const claimPath = (namespace: string, name: string): string =>
  `${collection('/api/v1', 'persistentvolumeclaims', namespace)}/${encodeURIComponent(name)}`;
export const workloadPath = (plural: 'statefulsets' | 'deployments', { namespace, name }: ObjectKey): string =>
  `${collection('/apis/apps/v1', plural, namespace)}/${encodeURIComponent(name)}`;
export const coreEventsPath = (namespace: string): string => collection('/api/v1', 'events', namespace);
export const eventsPath = (namespace: string): string => collection('/apis/events.k8s.io/v1', 'events', namespace);
export const jobPath = ({ namespace, name }: ObjectKey): string => `${jobsPath(namespace)}/${encodeURIComponent(name)}`;

function collection(root: string, plural: string, namespace: string | undefined): string {
  return namespace === undefined
    ? `${root}/${plural}`
    : `${root}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
}
