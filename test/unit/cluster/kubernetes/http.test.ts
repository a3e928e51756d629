import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../../src/base/clock.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/api-error.ts';
import { ApiClient } from '../../../../src/cluster/kubernetes/http.ts';
import { type Answer, scriptedServer, sendJson, sendStatus } from './scripted-server.ts';

describe('a request to an API server', () => {
  const servers: Awaited<ReturnType<typeof scriptedServer>>[] = [];
  const serve = async (answer: Answer) => {
    const server = await scriptedServer(answer);
    servers.push(server);
    return server;
  };
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });
  const failureOf = async (answer: Answer): Promise<ApiError> => {
    const server = await serve(answer);
    const error = await server
      .client(500)
      .json({ method: 'GET', path: '/x' })
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(ApiError);
    return error as ApiError;
  };

  it('sends JSON and gives JSON, a patch as merge patch', async () => {
    const server = await serve((response) => sendJson(response, { ok: true }));
    const client = server.client();
    expect(await client.json({ method: 'PATCH', path: '/a', query: { q: 'ü&' }, body: { text: 'ü' } })).toEqual({
      ok: true,
    });
    await client.json({ method: 'POST', path: '/a', body: {} });
    expect(server.requests[0]).toMatchObject({ method: 'PATCH', path: '/a', body: '{"text":"ü"}' });
    expect(server.requests[0]!.query.get('q')).toBe('ü&');
    expect(server.requests.map(({ headers }) => headers['content-type'])).toEqual([
      'application/merge-patch+json',
      'application/json',
    ]);
  });

  it('keeps the path prefix of a server behind a gateway', async () => {
    const server = await serve((response) => sendJson(response, {}));
    const connection = { server: new URL('/k8s/c-1/', server.url), namespace: undefined, authorize: async () => ({}) };
    const client = new ApiClient(connection, systemClock);
    await client.json({ method: 'GET', path: '/apis' });
    client.close();
    expect(server.requests[0]!.path).toBe('/k8s/c-1/apis');
  });

  it.each([
    [404, 'NotFound', 'NotFound'],
    [409, 'AlreadyExists', 'AlreadyExists'],
    [409, 'Conflict', 'Conflict'],
    [400, 'BadRequest', 'Invalid'],
    [422, 'Invalid', 'Invalid'],
    [413, 'RequestEntityTooLarge', 'Invalid'],
    [401, 'Unauthorized', 'Forbidden'],
    [403, 'Forbidden', 'Forbidden'],
    [410, 'Expired', 'Unavailable'],
    [429, 'TooManyRequests', 'Unavailable'],
    [500, 'InternalError', 'Unavailable'],
    [503, 'ServiceUnavailable', 'Unavailable'],
    [504, 'Timeout', 'Unavailable'],
  ])('answered with %d %s fails as %s', async (status, reason, code) => {
    expect(await failureOf((response) => sendStatus(response, status, reason))).toMatchObject({
      name: 'ObjectsError',
      code,
      status,
      message: `${reason} it is`,
    });
  });

  it('names every field that is refused, and not the whole value', async () => {
    const causes = [
      { reason: 'FieldValueInvalid', field: 'spec.engine', message: 'Unsupported value: "Oracle"' },
      { reason: 'FieldValueRequired', field: 'spec.target', message: 'Required value' },
    ];
    const error = await failureOf((response) =>
      sendJson(response, { kind: 'Status', reason: 'Invalid', message: 'long', details: { causes } }, 422),
    );
    expect(error.message).toBe('spec.engine: Unsupported value: "Oracle"; spec.target: Required value');
  });

  it('keeps how long the server wants to be left alone', async () => {
    expect(
      (await failureOf((response) => sendStatus(response, 429, 'TooManyRequests', { 'retry-after': '7' })))
        .retryAfterMs,
    ).toBe(7_000);
    const body = { kind: 'Status', reason: 'ServerTimeout', details: { retryAfterSeconds: 3 } };
    expect((await failureOf((response) => sendJson(response, body, 504))).retryAfterMs).toBe(3_000);
  });

  it('does not take a path that is not served for an object that is not there', async () => {
    const error = await failureOf((response) => response.writeHead(404).end('404 page not found\n'));
    expect(error).toMatchObject({ code: 'Unavailable', message: 'the API server does not serve this kind' });
  });

  it.each<[string, Answer, RegExp]>([
    ['never answers', () => {}, /no answer within 0.5 s/],
    ['stops in the middle', (response) => void response.writeHead(200).write('{'), /no answer within 0.5 s/],
    ['resets', (response) => void response.socket?.resetAndDestroy(), /cannot be reached: .*(hang up|ECONNRESET)/],
    ['answers with something else', (response) => response.end('<html>'), /not valid JSON|Unexpected token/],
    ['is a proxy with a 502', (response) => response.writeHead(502).end('Bad Gateway'), /502: Bad Gateway/],
  ])('fails as Unavailable when the server %s', async (_, answer, message) => {
    expect(await failureOf(answer)).toMatchObject({ code: 'Unavailable', message: expect.stringMatching(message) });
  });

  it('fails as Unavailable when nobody listens', async () => {
    const server = await serve(() => {});
    const client = server.client();
    await server.close();
    await expect(client.json({ method: 'GET', path: '/' })).rejects.toMatchObject({
      code: 'Unavailable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    servers.splice(0);
  });

  it('ends in time when a credential plugin hangs', async () => {
    const server = await serve((response) => sendJson(response, {}));
    const connection = { server: server.url, namespace: undefined, authorize: () => new Promise<never>(() => {}) };
    const client = new ApiClient(connection, systemClock, 100);
    await expect(client.json({ method: 'GET', path: '/' })).rejects.toMatchObject({ code: 'Unavailable' });
    expect(server.requests).toHaveLength(0);
  });

  it('writes nothing any more when it may not, and still reads', async () => {
    const server = await serve((response) => sendJson(response, { ok: true }));
    const client = server.client();
    client.writeOnlyWhile(() => false);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
      await expect(client.json({ method, path: '/x', body: {} })).rejects.toMatchObject({ code: 'Unavailable' });
    }
    expect(await client.json({ method: 'GET', path: '/x' })).toEqual({ ok: true });
    expect(server.requests.map(({ method }) => method)).toEqual(['GET']);
  });

  it('that was cut off before it began asks for no credentials', async () => {
    const server = await serve((response) => sendJson(response, {}));
    let asked = 0;
    const authorize = () => {
      asked++;
      return new Promise<never>(() => {});
    };
    const client = new ApiClient({ server: server.url, namespace: undefined, authorize }, systemClock);
    const reason = new Error('the operator stops');
    await expect(client.json({ method: 'GET', path: '/', signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(asked).toBe(0);
  });

  it('cut off by its caller rejects with the reason of the caller', async () => {
    const server = await serve(() => {});
    const reason = new Error('the operator stops');
    const controller = new AbortController();
    const answer = server.client().json({ method: 'GET', path: '/', signal: controller.signal });
    controller.abort(reason);
    await expect(answer).rejects.toBe(reason);
  });
});
