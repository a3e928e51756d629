import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request as requestHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Connection } from '../../../src/cluster/kubernetes/connect.ts';
import type { ApiServer } from './api-server.ts';

export interface ProxiedRequest {
  method: string;
  path: string;
  query: URLSearchParams;
}

/**
 * What becomes of a request instead of being passed on. `reset`: the connection breaks before the server hears of it.
 * `silence`: nobody ever answers. `cut`: the server does its work, and the connection breaks in the middle of the answer.
 */
export type ProxyFault = 'reset' | 'silence' | 'cut' | { status: number; headers?: Record<string, string> };

export interface ApiProxy {
  /** To the API server, through the proxy. */
  connection: Connection;
  /** Every request that came in, in order. */
  requests: ProxiedRequest[];
  /** Asked for every request; undefined passes it on. A promise holds it back. */
  judge: (request: ProxiedRequest) => ProxyFault | undefined | Promise<ProxyFault | undefined>;
  /** From now on no byte of any answer arrives, watches included; connections stay open. */
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
}

/** A proxy in front of a real API server, for what that cannot be made to do, and to count what it is asked. The caller closes it. */
export async function apiProxy(server: Pick<ApiServer, 'url' | 'token' | 'caFile'>): Promise<ApiProxy> {
  const agent = new Agent({ keepAlive: true, ca: readFileSync(server.caFile) });
  const answers = new Set<IncomingMessage>();
  let frozen = false;

  const listener = createServer((incoming, outgoing) => {
    const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://proxy');
    const request = { method: incoming.method ?? '', path: pathname, query: searchParams };
    proxy.requests.push(request);
    void Promise.resolve(proxy.judge(request)).then((fault) => {
      if (fault === 'reset') outgoing.socket?.resetAndDestroy();
      else if (typeof fault === 'object') refuse(outgoing, fault);
      else if (fault !== 'silence') passOn(incoming, outgoing, fault);
    });
  });

  function passOn(incoming: IncomingMessage, outgoing: ServerResponse, fault: 'cut' | undefined): void {
    const { method, url, headers } = incoming;
    const { host: _ours, ...others } = headers;
    const upstream = requestHttps(new URL(url ?? '/', server.url), {
      agent,
      method,
      headers: { ...others, authorization: `Bearer ${server.token}` },
    });
    upstream.on('error', () => outgoing.destroy());
    upstream.on('response', (answer) => {
      answers.add(answer);
      answer.on('close', () => answers.delete(answer));
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders();
      answer.on('error', () => outgoing.destroy());
      if (fault === 'cut') {
        answer.once('data', (bytes: Buffer) => {
          outgoing.write(bytes.subarray(0, bytes.length / 2), () => outgoing.socket?.resetAndDestroy());
        });
        return;
      }
      answer.on('data', (bytes) => outgoing.write(bytes));
      answer.on('end', () => outgoing.end());
      if (frozen) answer.pause();
    });
    outgoing.on('close', () => upstream.destroy());
    incoming.pipe(upstream);
  }

  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  const proxy: ApiProxy = {
    connection: {
      server: new URL(`http://127.0.0.1:${port}`),
      namespace: undefined,
      authorize: () => Promise.resolve({}),
    },
    requests: [],
    judge: () => undefined,
    freeze() {
      frozen = true;
      for (const answer of answers) answer.pause();
    },
    thaw() {
      frozen = false;
      for (const answer of answers) answer.resume();
    },
    async close() {
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
      agent.destroy();
    },
  };
  return proxy;
}

function refuse(outgoing: ServerResponse, { status, headers }: { status: number; headers?: Record<string, string> }) {
  const body = {
    kind: 'Status',
    apiVersion: 'v1',
    code: status,
    reason: 'Injected',
    message: `the proxy says ${status}`,
  };
  outgoing.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}
