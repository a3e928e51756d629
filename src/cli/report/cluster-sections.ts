import { text } from 'node:stream/consumers';
import { apiVersion, group, kindNames, operatorSelector } from '../../api/names.ts';
import type { ApiClient } from '../../cluster/kubernetes/http.ts';
import { agentContainer, taskSelector } from '../../cluster/kubernetes/job.ts';
import { listAll, type RawObject } from '../../cluster/kubernetes/list.ts';
import { coreEventsPath, groupVersionPath, jobsPath, podsPath } from '../../cluster/kubernetes/paths.ts';
import { kinds } from '../../cluster/resource.ts';
import { sentenceOf } from '../complaint.ts';
import type { ReportSection } from './section.ts';

/** An empty list could be taken for a part that was lost. */
const noOperator = `no operator pod found by ${operatorSelector}`;
const logLines = { operator: 500, task: 100 };
const taskLogs = 20;
/** A server that is slow with one log must not hold the report for long. */
const logDeadlineMs = 15_000;

interface Pod extends RawObject {
  metadata: RawObject['metadata'] & { creationTimestamp: string };
}

interface CoreEvent extends RawObject {
  involvedObject: { kind: string; name: string; apiVersion?: string };
}

/** What a report holds of a cluster beside our objects. `namespace` undefined: all of them. No Secret is ever asked for. */
export function clusterSections(client: ApiClient, namespace: string | undefined): ReportSection[] {
  const list = async <T extends RawObject>(path: string, labelSelector?: string): Promise<T[]> =>
    (await listAll(client, path, labelSelector === undefined ? {} : { labelSelector })).items as T[];
  return [
    { name: 'server', gather: () => client.json({ method: 'GET', path: '/version' }) },
    {
      name: 'servedKinds',
      gather: async () => {
        const served = await client.json<{ resources: { name: string }[] }>({ method: 'GET', path: groupVersionPath });
        return served.resources.map(({ name }) => name);
      },
    },
    { name: 'rights', gather: () => reviewRights(client, namespace) },
    {
      name: 'events',
      gather: async () => {
        const path = namespace === undefined ? '/api/v1/events' : coreEventsPath(namespace);
        return (await list<CoreEvent>(path)).filter(isAboutUs);
      },
    },
    { name: 'jobs', gather: () => list(jobsPath(namespace), taskSelector) },
    { name: 'pods', gather: () => list(podsPath(namespace), taskSelector) },
    {
      name: 'taskLogs',
      gather: async () => {
        const pods = await list<Pod>(podsPath(namespace), taskSelector);
        pods.sort((a, b) => b.metadata.creationTimestamp.localeCompare(a.metadata.creationTimestamp));
        return logsOf(client, pods.slice(0, taskLogs), { container: agentContainer, tailLines: String(logLines.task) });
      },
    },
    {
      name: 'operatorPods',
      gather: async () => {
        const pods = await list(podsPath(), operatorSelector);
        return pods.length === 0 ? noOperator : pods;
      },
    },
    {
      name: 'operatorLog',
      gather: async () => {
        const pods = await list<Pod>(podsPath(), operatorSelector);
        return pods.length === 0 ? noOperator : logsOf(client, pods, { tailLines: String(logLines.operator) });
      },
    },
  ];
}

/** Of ours, or of a Job or pod that is named after a task of ours. */
function isAboutUs({ involvedObject }: CoreEvent): boolean {
  const { apiVersion: version, kind, name } = involvedObject;
  return version === apiVersion || ((kind === 'Job' || kind === 'Pod') && /-(\d+|restore|inspect)(-|$)/.test(name));
}

async function logsOf(client: ApiClient, pods: readonly Pod[], query: Record<string, string>): Promise<object> {
  const logs: [string, unknown][] = [];
  for (const { metadata } of pods) {
    const { namespace, name } = metadata;
    const path = `${podsPath(namespace)}/${encodeURIComponent(name)}/log`;
    const signal = AbortSignal.timeout(logDeadlineMs);
    const log = await client
      .stream({ method: 'GET', path, query: { ...query, limitBytes: '1000000' }, signal })
      .then(text)
      .catch((error) => `not gathered: ${sentenceOf(error)}`);
    logs.push([`${namespace}/${name}`, log]);
  }
  return Object.fromEntries(logs);
}

/** What this person may do of what the commands need: the first thing to look at when something is refused. */
async function reviewRights(client: ApiClient, namespace: string | undefined): Promise<object[]> {
  const ours = kinds.flatMap((kind) =>
    ['get', 'list', 'create', 'patch', 'delete'].map((verb) => ({ group, resource: kindNames[kind].plural, verb })),
  );
  const others = [
    { group: '', resource: 'events', verb: 'list' },
    { group: 'batch', resource: 'jobs', verb: 'list' },
    { group: '', resource: 'pods', verb: 'list' },
    { group: '', resource: 'pods', subresource: 'log', verb: 'get' },
  ];
  return Promise.all(
    [...ours, ...others].map(async (right) => {
      const { status } = await client.json<{ status: { allowed: boolean } }>({
        method: 'POST',
        path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
        body: {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SelfSubjectAccessReview',
          spec: { resourceAttributes: { ...right, ...(namespace !== undefined && { namespace }) } },
        },
      });
      return { ...right, allowed: status.allowed };
    }),
  );
}
