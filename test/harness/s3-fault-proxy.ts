import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface SeenRequest {
  method: string;
  /** Path and query as sent. */
  url: string;
  headers: IncomingMessage['headers'];
}

/** What happens to a request; undefined lets it through. */
export type S3Fault =
  /** Answers at once with this status and S3 error code, the request's body unread by the server. */
  | { kind: 'answer'; status: number; code: string }
  /** Lets the server do it, then cuts the connection: the answer is lost. */
  | { kind: 'lose-answer' }
  /** Cuts the connection without asking the server. */
  | { kind: 'reset' }
  /** Sends the answer's head and so many bytes of its body, then cuts the connection. */
  | { kind: 'cut-body'; afterBytes: number }
  /** Sends the answer's head and so many bytes of its body, then nothing for ever. */
  | { kind: 'stall-body'; afterBytes: number }
  /** Flips one bit of the answer's body. */
  | { kind: 'flip-bit'; atByte: number }
  /** Lets the server have so many bytes of the request's body, then cuts both connections. */
  | { kind: 'cut-upload'; afterBytes: number }
  /** Waits before it asks the server. */
  | { kind: 'delay'; delayMs: number }
  /** Asks the server only when the test lets it. */
  | { kind: 'hold'; until: Promise<unknown> }
  /** Never answers. */
  | { kind: 'hang' };

export interface S3FaultProxy {
  endpoint: string;
  /** Every request since the start, in order. */
  seen: SeenRequest[];
  /** Decides on each request from now on; undefined means no faults. */
  rule: ((seen: SeenRequest) => S3Fault | undefined) | undefined;
  stop(): Promise<void>;
}

/** A proxy between a store and a real S3 server that does what networks and servers do on bad days. */
export async function startS3FaultProxy(target: { host: string; port: number }): Promise<S3FaultProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch(() => outgoing.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: S3FaultProxy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    rule: undefined,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const seen = { method: incoming.method ?? '', url: incoming.url ?? '', headers: incoming.headers };
    proxy.seen.push(seen);
    const fault = proxy.rule?.(seen);
    switch (fault?.kind) {
      case 'reset':
        incoming.socket.resetAndDestroy();
        return;
      case 'hang':
        incoming.resume();
        return;
      case 'answer': {
        incoming.resume();
        const body = `<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>on request</Message></Error>`;
        outgoing.writeHead(fault.status, {
          'content-type': 'application/xml',
          'content-length': Buffer.byteLength(body),
        });
        outgoing.end(incoming.method === 'HEAD' ? undefined : body);
        return;
      }
      case 'delay':
        await sleep(fault.delayMs);
        break;
      case 'hold':
        await fault.until;
        break;
      default:
    }
    // The client may have given up meanwhile; the server would wait for its body for ever.
    if (incoming.destroyed) return;
    const onward = request({
      host: target.host,
      port: target.port,
      method: seen.method,
      path: seen.url,
      headers: seen.headers,
    });
    if (fault?.kind === 'cut-upload') {
      let left = fault.afterBytes;
      for await (const chunk of incoming as AsyncIterable<Buffer>) {
        onward.write(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) break;
      }
      onward.once('error', () => {});
      onward.destroy();
      incoming.socket.resetAndDestroy();
      return;
    }
    incoming.pipe(onward);
    incoming.once('aborted', () => onward.destroy());
    const answer = await new Promise<IncomingMessage>((resolve, reject) =>
      onward.once('response', resolve).once('error', reject),
    );
    outgoing.once('close', () => answer.destroy());
    if (fault?.kind === 'lose-answer') {
      await answer.toArray();
      incoming.socket.resetAndDestroy();
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    let at = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (fault?.kind === 'cut-body' || fault?.kind === 'stall-body') {
        if (at + chunk.length >= fault.afterBytes) {
          await new Promise((resolve) => outgoing.write(chunk.subarray(0, fault.afterBytes - at), resolve));
          if (fault.kind === 'cut-body') incoming.socket.resetAndDestroy();
          return;
        }
      }
      if (fault?.kind === 'flip-bit' && fault.atByte >= at && fault.atByte < at + chunk.length) {
        const index = fault.atByte - at;
        chunk[index] = (chunk[index] ?? 0) ^ 1;
      }
      at += chunk.length;
      if (!outgoing.write(chunk)) {
        const gone = new AbortController();
        const onClose = (): void => gone.abort();
        outgoing.once('close', onClose);
        await once(outgoing, 'drain', { signal: gone.signal }).finally(() => outgoing.off('close', onClose));
      }
    }
    outgoing.end();
  }

  return proxy;
}
