import { Fault } from '../../base/fault.ts';
import type { WhichContainer, WorkloadRef, Workloads } from '../workloads.ts';
import type { ApiClient } from './http.ts';
import { listAll } from './list.ts';
import { unlessGone } from './objects.ts';
import { podsPath, workloadPath } from './paths.ts';

const plurals = { StatefulSet: 'statefulsets', Deployment: 'deployments' } as const;

interface WorkloadView {
  spec: { selector: SelectorView };
}

export interface SelectorView {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

export interface ServerPodView {
  metadata: { name: string; creationTimestamp: string; deletionTimestamp?: string };
  spec: { containers: { name: string; image: string; ports?: { containerPort: number }[] }[] };
  status?: { containerStatuses?: { name: string; imageID?: string; state?: { running?: object } }[] };
}

/** Reads the workload and its pods; changes nothing. */
export class KubernetesWorkloads implements Workloads {
  readonly #client: ApiClient;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  async runningImage(workload: WorkloadRef, which: WhichContainer): Promise<string> {
    const { kind, namespace, name } = workload;
    const path = workloadPath(plurals[kind], { namespace, name });
    const found = await unlessGone(this.#client.json<WorkloadView>({ method: 'GET', path }));
    if (found === undefined) throw new Fault('ReferenceMissing', `there is no ${kind} ${name} in ${namespace}`);
    const query = { labelSelector: labelSelector(found.spec.selector) };
    const { items } = await listAll(this.#client, podsPath(namespace), query);
    return imageOf(workload, items as unknown as ServerPodView[], which);
  }
}

/** Pure: the image of the server, out of the pods of its workload. Throws as `runningImage` does. */
export function imageOf(
  { kind, name, namespace }: WorkloadRef,
  pods: readonly ServerPodView[],
  which: WhichContainer,
): string {
  // In the middle of a rollout the newest pod has the version that the server will have.
  const newestFirst = pods
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .sort((one, other) => (one.metadata.creationTimestamp < other.metadata.creationTimestamp ? 1 : -1));
  for (const { spec, status } of newestFirst) {
    const container = serverOf(spec.containers, `${kind} ${name}`, which);
    const seen = status?.containerStatuses?.find((one) => one.name === container.name);
    if (seen?.state?.running !== undefined) return pullable(seen.imageID ?? '', container.image);
  }
  throw new Fault('WorkloadNotRunning', `no pod of ${kind} ${name} in ${namespace} runs`);
}

function serverOf(
  containers: ServerPodView['spec']['containers'],
  workload: string,
  { name, port }: WhichContainer,
): ServerPodView['spec']['containers'][number] {
  const exposing = containers.filter(({ ports = [] }) => ports.some(({ containerPort }) => containerPort === port));
  const wanted = name === undefined ? exposing : containers.filter((one) => one.name === name);
  const [server, another] = name === undefined && containers.length === 1 ? containers : wanted;
  if (server !== undefined && another === undefined) return server;
  const names = containers.map((one) => one.name).join(', ');
  const what =
    name === undefined
      ? `it is not clear which container of ${workload} is the server: ${another === undefined ? 'none exposes' : 'several expose'} port ${port}`
      : `${workload} has no container ${name}`;
  throw new Fault('SpecInvalid', `${what}; there are ${names}`, {
    where: 'spec.target.workload.container',
    hint: `Set it to one of: ${names}.`,
  });
}

/**
 * A digest that any node can pull, or else the name in the pod: what was loaded into a node by hand has an id there
 * that means nothing elsewhere.
 */
function pullable(imageId: string, named: string): string {
  const id = imageId.replace(/^docker-pullable:\/\//, '');
  return /^[^@]+@sha256:[0-9a-f]{64}$/.test(id) ? id : named;
}

/** In the form of a query. */
export function labelSelector({ matchLabels = {}, matchExpressions = [] }: SelectorView): string {
  const operators: Record<string, (key: string, values: string) => string> = {
    In: (key, values) => `${key} in (${values})`,
    NotIn: (key, values) => `${key} notin (${values})`,
    Exists: (key) => key,
    DoesNotExist: (key) => `!${key}`,
  };
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.flatMap(({ key, operator, values = [] }) => operators[operator]?.(key, values.join(',')) ?? []),
  ].join(',');
}
