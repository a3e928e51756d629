import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { Fault } from '../../base/fault.ts';

/** An API server and the right to talk to it. client-node reads the kubeconfig and makes the credentials; no more. */
export interface Connection {
  server: URL;
  /** The namespace that the context names, for a person who gave none. */
  namespace: string | undefined;
  /**
   * TLS options and headers for one request, with the credentials of this moment: files are read again, so that a
   * renewed token or certificate is used without a restart. Holds an `agent` only when the cluster is behind a proxy.
   */
  authorize(): Promise<RequestOptions>;
}

/**
 * By one kubeconfig, or by several as kubectl reads them: what the first one names wins. Throws SpecInvalid when a file
 * cannot be read or none has the context (left out: the current one).
 */
export function connectByKubeconfig({
  path,
  context,
}: {
  path: string | readonly string[];
  context?: string;
}): Connection {
  const paths = typeof path === 'string' ? [path] : path;
  const where = paths.join(', ');
  const config = new KubeConfig();
  for (const each of paths) addKubeconfig(config, each);
  const name = context ?? config.getCurrentContext();
  const found = config.getContextObject(name);
  if (found === null) {
    const names = config.getContexts().map((known) => known.name);
    throw new Fault('SpecInvalid', name ? `there is no context "${name}" in the kubeconfig` : 'no context is chosen', {
      where,
      hint: names.length === 0 ? 'The file holds no context at all.' : `Name one of: ${names.join(', ')}.`,
    });
  }
  config.setCurrentContext(name);
  return connectionOf(config, where);
}

function addKubeconfig(config: KubeConfig, path: string): void {
  const more = new KubeConfig();
  try {
    more.loadFromFile(path);
  } catch (cause) {
    throw new Fault('SpecInvalid', `the kubeconfig cannot be read: ${(cause as Error).message}`, {
      where: path,
      hint: 'Name a kubeconfig that exists and that kubectl can use.',
      cause,
    });
  }
  const isNew =
    (known: readonly { name: string }[]) =>
    ({ name }: { name: string }): boolean =>
      !known.some((one) => one.name === name);
  config.clusters = [...config.clusters, ...more.clusters.filter(isNew(config.clusters))];
  config.users = [...config.users, ...more.users.filter(isNew(config.users))];
  config.contexts = [...config.contexts, ...more.contexts.filter(isNew(config.contexts))];
  config.currentContext ||= more.currentContext;
}

/** With the service account of the pod that this process runs in. Throws NotSupportedHere outside of a pod. */
export function connectInCluster(): Connection {
  const config = new KubeConfig();
  config.loadFromCluster();
  return connectionOf(config, 'the service account of this pod');
}

function connectionOf(config: KubeConfig, where: string): Connection {
  const cluster = config.getCurrentCluster();
  if (cluster === null || !URL.canParse(cluster.server) || cluster.server.includes('//undefined')) {
    throw new Fault('NotSupportedHere', 'no API server is named', {
      where,
      hint: 'Name a kubeconfig and a context, or run in a pod with a service account.',
    });
  }
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace;
  return {
    server: new URL(cluster.server),
    namespace,
    async authorize() {
      const options: RequestOptions = {};
      await config.applyToHTTPSOptions(options);
      // client-node's own agent closes the connection after each request and keeps the first certificate for good.
      if (!cluster.proxyUrl) delete options.agent;
      return options;
    },
  };
}
