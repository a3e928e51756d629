import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions, request as requestHttps } from 'node:https';
import { text } from 'node:stream/consumers';
import type { Clock } from '../../base/clock.ts';
import { type Instruments, noInstruments } from '../instruments.ts';
import { ApiError, apiErrorFrom } from './api-error.ts';
import type { Connection } from './connect.ts';

export interface ApiRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Parts that come from users are encoded by the caller. */
  path: string;
  query?: Record<string, string>;
  body?: object;
  /** Of the body. Left out: JSON, and a merge patch for PATCH. */
  contentType?: string;
  /** Cuts the call off; it then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Default: that of the client. */
  deadlineMs?: number;
}

/**
 * JSON over HTTP/1.1 with the API server: plain objects in and out, so that no serializer drops a field it does not
 * know and a time is the same string in a list and in a watch. Every call has a deadline: a server that accepts the
 * connection and says nothing must not hold a reconcile for ever. Failures are `ApiError`s.
 */
export class ApiClient {
  /** Those of everything that talks through this client. */
  readonly instruments: Instruments;
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  readonly #agent: HttpAgent | HttpsAgent;
  #mayWrite: () => boolean = () => true;

  constructor(connection: Connection, clock: Clock, deadlineMs = 15_000, instruments = noInstruments) {
    this.#connection = connection;
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
    this.instruments = instruments;
    // Idle connections go before the server closes them (90 s): else a request would meet a connection that just ended.
    const options = { keepAlive: true, keepAliveMsecs: 30_000, timeout: 30_000 };
    this.#agent = connection.server.protocol === 'http:' ? new HttpAgent(options) : new HttpsAgent(options);
  }

  /** The answer, parsed. */
  async json<T>(request: ApiRequest): Promise<T> {
    const deadline = this.#deadline(request);
    try {
      const response = await this.#exchange(request, deadline.signal);
      return JSON.parse(await text(response)) as T;
    } catch (error) {
      throw this.#explain(error, request, deadline.expired());
    } finally {
      deadline.cancel();
    }
  }

  /**
   * An answer that goes on, for a watch. The deadline covers the time until its headers. `signal` ends the stream too;
   * whoever leaves the stream early destroys it.
   */
  async stream(request: ApiRequest & { signal: AbortSignal }): Promise<IncomingMessage> {
    const deadline = this.#deadline(request);
    try {
      return await this.#exchange(request, deadline.signal);
    } catch (error) {
      throw this.#explain(error, request, deadline.expired());
    } finally {
      deadline.cancel();
    }
  }

  /** From now on nothing is written when `mayWrite` says no: the last fence against a process that was frozen and woke up. */
  writeOnlyWhile(mayWrite: () => boolean): void {
    this.#mayWrite = mayWrite;
  }

  /** Ends idle connections. Calls under way are the business of their signals. */
  close(): void {
    this.#agent.destroy();
  }

  async #exchange(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    signal.throwIfAborted();
    if (request.method !== 'GET' && !this.#mayWrite()) {
      throw new ApiError('Unavailable', 0, 'this process is not the leader any more');
    }
    const startedMs = this.#clock.monotonicMs();
    const measured = (code: string): void =>
      this.instruments.apiRequest(request.method, code, this.#clock.monotonicMs() - startedMs);
    let response: IncomingMessage;
    try {
      response = await this.#send(request, await orAborted(this.#connection.authorize(), signal), signal);
    } catch (error) {
      if (!request.signal?.aborted) measured('error');
      throw error;
    }
    const status = response.statusCode ?? 0;
    measured(String(status));
    if (status >= 200 && status < 300) return response;
    throw apiErrorFrom(status, response.headers['retry-after'], await text(response));
  }

  #send(
    { method, path, query, body, contentType }: ApiRequest,
    options: RequestOptions,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { server } = this.#connection;
    const url = new URL(server.pathname.replace(/\/$/, '') + path, server);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers = {
      ...(options.headers as Record<string, string> | undefined),
      accept: 'application/json',
      'user-agent': 'backstay',
      ...(payload !== undefined && {
        'content-type': contentType ?? (method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'),
        'content-length': payload.length,
      }),
    };
    const open = url.protocol === 'http:' ? requestHttp : requestHttps;
    return new Promise((resolve, reject) => {
      const outgoing = open(url, { agent: this.#agent, ...options, method, headers, signal }, resolve);
      outgoing.on('error', reject);
      outgoing.end(payload);
    });
  }

  #deadline({ signal, deadlineMs = this.#deadlineMs }: ApiRequest) {
    const late = new AbortController();
    const cancel = this.#clock.after(deadlineMs, () => late.abort());
    return {
      signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
      expired: () => (late.signal.aborted ? deadlineMs : undefined),
      cancel,
    };
  }

  #explain(error: unknown, { signal }: ApiRequest, expiredMs: number | undefined): unknown {
    if (signal?.aborted) return signal.reason;
    if (error instanceof ApiError) return error;
    const { host } = this.#connection.server;
    const because = (what: string) => `the API server at ${host} cannot be reached: ${what}`;
    if (expiredMs !== undefined)
      return new ApiError('Unavailable', 0, because(`no answer within ${expiredMs / 1000} s`));
    return new ApiError('Unavailable', 0, because(describe(error)), { cause: error });
  }
}

// A connection that failed on several addresses is an AggregateError without a message of its own.
function describe(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || code || String(error);
}

/** A credential plugin is a program of somebody else: it may hang, the call must not. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
