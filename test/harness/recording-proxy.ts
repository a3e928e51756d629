import { createServer, type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Connection, connectByKubeconfig } from '../../src/cluster/kubernetes/connect.ts';

/** What somebody asked an API server for, in the words of RBAC. */
export interface Asked {
  verb: string;
  apiGroup: string;
  /** With its subresource, such as `pods/log`. */
  resource: string;
  namespace: string;
  name: string;
  status: number;
}

type Deferred = PromiseWithResolvers<void>;

/**
 * Stands before an API server on 127.0.0.1, lets every request through in the name of one user (whose rights then count,
 * and not those of the kubeconfig), and remembers what was asked for. The caller closes it.
 */
export class RecordingProxy {
  readonly asked: Asked[] = [];
  readonly #connection: Connection;
  readonly #user: string;
  #held: { verb: string; resource: string; came: Deferred; ended: Deferred } | undefined;
  readonly #server = createServer((incoming, outgoing) => void this.#pass(incoming, outgoing));

  constructor({ kubeconfigPath, context, user }: { kubeconfigPath: string; context?: string; user: string }) {
    this.#connection = connectByKubeconfig({ path: kubeconfigPath, ...(context === undefined ? {} : { context }) });
    this.#user = user;
  }

  /** Answers a kubeconfig, as a text, that leads to the proxy. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const { port } = this.#server.address() as AddressInfo;
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'proxy',
      // client-node speaks no plain HTTP without this word.
      clusters: [{ name: 'proxy', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'nobody', user: {} }],
      contexts: [{ name: 'proxy', context: { cluster: 'proxy', user: 'nobody' } }],
    });
  }

  /** Keeps the next request for this from the server; `fail` answers it in the server's place: it is overloaded. */
  holdNext(verb: string, resource: string): { came: Promise<void>; fail(): void } {
    const held = { verb, resource, came: Promise.withResolvers<void>(), ended: Promise.withResolvers<void>() };
    this.#held = held;
    return { came: held.came.promise, fail: () => held.ended.resolve() };
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const wish = askedBy(incoming.method ?? '', incoming.url ?? '', 503);
    const held = this.#held;
    if (held !== undefined && wish?.verb === held.verb && wish.resource === held.resource) {
      this.#held = undefined;
      held.came.resolve();
      await held.ended.promise;
      this.asked.push(wish);
      outgoing.writeHead(503, { 'content-type': 'application/json' });
      outgoing.end(JSON.stringify({ kind: 'Status', status: 'Failure', code: 503, message: 'held by a test' }));
      return;
    }
    const { server } = this.#connection;
    const options = await this.#connection.authorize();
    const { host: _host, ...headers } = incoming.headers;
    const open = server.protocol === 'http:' ? requestHttp : requestHttps;
    const onward = open(new URL(incoming.url ?? '/', server), {
      ...options,
      method: incoming.method,
      headers: { ...headers, ...(options.headers as object), 'impersonate-user': this.#user },
    });
    onward.on('response', (answer) => {
      const asked = askedBy(incoming.method ?? '', incoming.url ?? '', answer.statusCode ?? 0);
      if (asked !== undefined) this.asked.push(asked);
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }
}

/** As kube-apiserver's own RequestInfo has it; undefined for what is no resource, such as discovery. */
export function askedBy(method: string, url: string, status: number): Asked | undefined {
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  const parts = pathname.split('/').filter(Boolean).map(decodeURIComponent);
  const [root] = parts;
  const rest = root === 'api' ? parts.slice(2) : root === 'apis' ? parts.slice(3) : [];
  const apiGroup = root === 'apis' ? (parts[1] ?? '') : '';
  const isWithin = rest[0] === 'namespaces' && rest.length > 2;
  const namespace = isWithin || rest[0] === 'namespaces' ? (rest[1] ?? '') : '';
  const [resource, name = '', subresource] = isWithin ? rest.slice(2) : rest;
  if (resource === undefined) return undefined;
  const read =
    searchParams.get('watch') === 'true' || searchParams.get('watch') === '1' ? 'watch' : name === '' ? 'list' : 'get';
  const verb = { GET: read, POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }[method] ?? method;
  const full = subresource === undefined ? resource : `${resource}/${subresource}`;
  return { verb, apiGroup, resource: full, namespace, name, status };
}
