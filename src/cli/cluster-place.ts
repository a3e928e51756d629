import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { checkMode } from '../api/mode.ts';
import { apiVersion } from '../api/names.ts';
import { parseSpec } from '../api/parse.ts';
import type { Clock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Logger } from '../base/log.ts';
import { ApiError } from '../cluster/kubernetes/api-error.ts';
import { type Connection, connectByKubeconfig, connectInCluster } from '../cluster/kubernetes/connect.ts';
import { ApiClient } from '../cluster/kubernetes/http.ts';
import { KubernetesObjects } from '../cluster/kubernetes/objects.ts';
import { objectPath } from '../cluster/kubernetes/paths.ts';
import { ObjectsError } from '../cluster/objects.ts';
import type { Draft, Resource } from '../cluster/resource.ts';
import type { Applier } from './apply.ts';
import { CommandError } from './complaint.ts';
import type { Place } from './place.ts';
import { clusterSections } from './report/cluster-sections.ts';

/** Our own field manager, so that what somebody else set is not overwritten in silence. */
const fieldManager = 'backstay-cli';
const patience = { deadlineMs: 10_000, pollMs: 1_000 };

export interface ClusterOptions {
  /** From the command line. */
  kubeconfig?: string;
  context?: string;
  clock: Clock;
  random: () => number;
  log: Logger;
  environment: {
    /** $KUBECONFIG, a list of files. */
    kubeconfig: string | undefined;
    userHome: string | undefined;
    isPod: boolean;
  };
}

/**
 * The cluster that kubectl would take: the kubeconfig that is named, that of $KUBECONFIG, ~/.kube/config, or the service
 * account of the pod. Loads the Kubernetes client, so only a command that needs a cluster imports this file.
 */
export function openCluster(options: ClusterOptions): Place {
  const { clock, random, log } = options;
  const connection = connect(options);
  const client = new ApiClient(connection, clock, patience.deadlineMs);
  return {
    mode: 'kubernetes',
    objects: new KubernetesObjects({ client, clock, random, log, instance: 'backstay' }),
    applier: clusterApplier(client),
    namespace: connection.namespace ?? 'default',
    pollMs: patience.pollMs,
    reportSections: (namespace) => clusterSections(client, namespace),
    close: () => client.close(),
  };
}

function connect({ kubeconfig, context, environment }: ClusterOptions): Connection {
  const named = context === undefined ? {} : { context };
  const path = kubeconfig ?? kubeconfigsOf(environment);
  if (path === undefined && environment.isPod && context === undefined) return connectInCluster();
  if (path === undefined) {
    throw new CommandError(
      'Usage',
      environment.kubeconfig ? `there is no file ${environment.kubeconfig}` : 'neither a home nor a cluster is named',
      'Name a standalone home by --home, or a cluster by --kubeconfig.',
    );
  }
  try {
    return connectByKubeconfig({ path, ...named });
  } catch (error) {
    if (error instanceof Fault) throw new CommandError('Usage', error.sentence, error.hint);
    throw error;
  }
}

/** Files that are not there are passed over, as kubectl does. */
function kubeconfigsOf({ kubeconfig, userHome }: ClusterOptions['environment']): string[] | undefined {
  const usual = userHome === undefined ? [] : [join(userHome, '.kube', 'config')];
  const paths = kubeconfig ? kubeconfig.split(delimiter).filter((path) => path !== '') : usual;
  const found = paths.filter((path) => existsSync(path));
  return found.length === 0 ? undefined : found;
}

// A server-side apply with a field that the kind does not have is answered with 500.
const unknownFieldWords = 'field not declared in schema';

/** Server-side apply: twice the same changes nothing, and a field that another manager set is a conflict. */
function clusterApplier(client: ApiClient): Applier {
  const patch = ({ kind, metadata, spec }: Draft, more: Record<string, string>): Promise<Resource> =>
    client.json<Resource>({
      method: 'PATCH',
      path: objectPath(kind, metadata),
      query: { fieldManager, fieldValidation: 'Strict', ...more },
      contentType: 'application/apply-patch+yaml',
      body: { apiVersion, kind, metadata, spec },
    });
  return {
    async check(draft) {
      const unfit = explain(draft);
      try {
        await patch(draft, { dryRun: 'All' });
      } catch (error) {
        const isUnknownField = error instanceof ApiError && error.message.includes(unknownFieldWords);
        const isInvalid = error instanceof ObjectsError && error.code === 'Invalid';
        // The server decides; our words name the field that was most likely meant.
        if ((isInvalid || isUnknownField) && unfit !== undefined) throw unfit;
        // We know the field and the server does not.
        if (isUnknownField) throw new Fault('KindsMissing', error.message);
        throw error;
      }
      if (unfit?.reason === 'NotSupportedHere') throw unfit;
    },
    async apply(draft) {
      const before = await client
        .json<Resource>({ method: 'GET', path: objectPath(draft.kind, draft.metadata) })
        .catch((error) => {
          if (error instanceof ObjectsError && error.code === 'NotFound') return undefined;
          throw error;
        });
      const after = await patch(draft, {});
      if (before?.metadata.uid !== after.metadata.uid) return 'created';
      return before.metadata.resourceVersion === after.metadata.resourceVersion ? 'unchanged' : 'configured';
    },
  };
}

function explain({ kind, spec }: Draft): Fault | undefined {
  try {
    checkMode(kind, parseSpec(kind, spec), 'kubernetes');
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}
