import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../../../src/base/clock.ts';
import { ApiClient } from '../../../../src/cluster/kubernetes/http.ts';

export interface Request {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: string;
}

export type Answer = (response: ServerResponse, request: Request) => unknown;

/**
 * An HTTP server at a real socket that answers as the test says: for what a real API server does not do on demand.
 * `requests` grows with each one that came in.
 */
export async function scriptedServer(answer: Answer) {
  const requests: Request[] = [];
  const server = createServer((incoming, response) => {
    let body = '';
    incoming.setEncoding('utf8');
    incoming.on('data', (chunk) => {
      body += chunk;
    });
    incoming.on('end', () => {
      const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://localhost');
      const { method = '', headers } = incoming;
      const request = { method, path: pathname, query: searchParams, headers, body };
      requests.push(request);
      void answer(response, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = new URL(`http://127.0.0.1:${port}`);
  const clients: ApiClient[] = [];
  return {
    url,
    requests,
    client(deadlineMs?: number): ApiClient {
      const connection = { server: url, namespace: undefined, authorize: () => Promise.resolve({}) };
      const client = new ApiClient(connection, systemClock, deadlineMs);
      clients.push(client);
      return client;
    },
    async close(): Promise<void> {
      for (const client of clients) client.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function sendJson(
  response: ServerResponse,
  body: object,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

export function sendStatus(
  response: ServerResponse,
  code: number,
  reason: string,
  headers: Record<string, string> = {},
) {
  sendJson(response, { kind: 'Status', code, reason, message: `${reason} it is` }, code, headers);
}
