import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { checkMode } from '../api/mode.ts';
import { apiVersion } from '../api/names.ts';
import { parseSpec } from '../api/parse.ts';
import type { Clock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Logger } from '../base/log.ts';
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
  if (kubeconfig !== undefined) return connectByKubeconfig({ path: kubeconfig, ...named });
  const listed = (environment.kubeconfig ?? '').split(delimiter).filter((path) => path !== '' && existsSync(path));
  if (listed.length > 0) return connectByKubeconfig({ path: listed, ...named });
  const usual = environment.userHome === undefined ? undefined : join(environment.userHome, '.kube', 'config');
  if (usual !== undefined && existsSync(usual)) return connectByKubeconfig({ path: usual, ...named });
  if (environment.isPod && context === undefined) return connectInCluster();
  throw new CommandError(
    'Usage',
    environment.kubeconfig ? `there is no file ${environment.kubeconfig}` : 'neither a home nor a cluster is named',
    'Name a standalone home by --home, or a cluster by --kubeconfig.',
  );
}

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
        // The server decides; our words name the field that was most likely meant.
        if (error instanceof ObjectsError && error.code === 'Invalid' && unfit !== undefined) throw unfit;
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
