import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../base/log.ts';

export interface Answer {
  status: 200 | 503;
  contentType?: string;
  body: string;
}

/** Gives the answer for a path. What it throws becomes 500 without a word of why: anybody in the cluster may ask. */
export type Route = () => Answer | Promise<Answer>;

export interface HttpServer {
  /** The port it listens on, also when any was asked for. */
  port: number;
  /** Ends it at once, also for who is being answered. */
  close(): Promise<void>;
}

const defaultLimits = {
  /** For the whole request of the other side. */
  requestMs: 5_000,
  /** How often it is looked who is too late. */
  checkMs: 2_000,
  /** A connection on which nothing moves, in either direction. */
  idleMs: 20_000,
};

/**
 * Serves these paths to GET and HEAD, on all addresses. Who asks slowly, or reads slowly, is cut off: the probes of the
 * kubelet must find a free connection. Rejects when the port is taken.
 */
export async function serveHttp(
  port: number,
  routes: Readonly<Record<string, Route>>,
  log: Logger,
  limits = defaultLimits,
): Promise<HttpServer> {
  const server = createServer({ connectionsCheckingInterval: limits.checkMs, maxHeaderSize: 8_192 });
  server.headersTimeout = limits.requestMs;
  server.requestTimeout = limits.requestMs;
  server.keepAliveTimeout = 5_000;
  server.timeout = limits.idleMs;
  server.maxConnections = 200;
  server.on('request', async (request, response) => {
    const end = (status: number, body: string, headers: Record<string, string> = {}): void => {
      const type = headers['content-type'] ?? 'text/plain; charset=utf-8';
      response.writeHead(status, { ...headers, 'content-type': type, 'content-length': Buffer.byteLength(body) });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    const path = request.url?.split('?', 1)[0] ?? '';
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) return end(404, `there is ${Object.keys(routes).join(', ')}\n`);
    if (request.method !== 'GET' && request.method !== 'HEAD') return end(405, 'GET or HEAD\n', { allow: 'GET, HEAD' });
    try {
      const { status, body, contentType } = await route();
      end(status, body, contentType === undefined ? {} : { 'content-type': contentType });
    } catch (error) {
      log.error({ path, err: error }, 'a request could not be answered');
      end(500, 'internal error\n');
    }
  });
  await listening(server, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
