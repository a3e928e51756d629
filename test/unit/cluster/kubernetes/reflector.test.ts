import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { pino } from 'pino';
import { systemClock } from '../../../../src/base/clock.ts';
import { noInstruments } from '../../../../src/cluster/instruments.ts';
import { ApiClient } from '../../../../src/cluster/kubernetes/http.ts';
import { type ReflectorOptions, reflect, reflectorTimings } from '../../../../src/cluster/kubernetes/reflector.ts';
import { WatchRegister } from '../../../../src/operator/metrics/watch-register.ts';
import { eventually } from '../../../harness/eventually.ts';
import { type Request, scriptedServer, sendJson, sendStatus } from './scripted-server.ts';

const raw = (name: string, resourceVersion: string, uid = `uid-${name}`) => ({
  metadata: { name, namespace: 'prod', uid, resourceVersion },
});
const list = (resourceVersion: string, items: object[], token?: string) => ({
  metadata: { resourceVersion, ...(token !== undefined && { continue: token }) },
  items,
});
const line = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;

type Step = (response: ServerResponse, request: Request) => void;

const quick = { ...reflectorTimings, shortWatchMs: 0, backoff: { firstMs: 20, factor: 2, capMs: 100 } };

describe('the reflector', () => {
  /** Answers in this order; the last of each stays. */
  let lists: Step[];
  let watches: Step[];
  /** Where the server says it is, to a probe. */
  let serverIsAt: string;
  let server: Awaited<ReturnType<typeof scriptedServer>>;
  let stop: AbortController;
  let seen: string[];

  const isWatch = ({ query }: Request): boolean => query.get('watch') === 'true';
  /** Only asks how far the server is. */
  const isProbe = ({ query }: Request): boolean => query.get('limit') === '1';
  const listRequests = () => server.requests.filter((request) => !isWatch(request) && !isProbe(request));
  const watchRequests = () => server.requests.filter(isWatch);
  const next = (steps: Step[]): Step => (steps.length > 1 ? steps.shift()! : steps[0]!);
  const open: Step = (response) => void response.writeHead(200).flushHeaders();
  const says =
    (...lines: string[]): Step =>
    (response) => {
      open(response, undefined as never);
      for (const one of lines) response.write(one);
    };
  const saysAndEnds =
    (...lines: string[]): Step =>
    (response) => {
      response.writeHead(200).end(lines.join(''));
    };

  beforeEach(async () => {
    lists = [(response) => sendJson(response, list('10', [raw('a', '5')]))];
    watches = [open];
    serverIsAt = '1000';
    seen = [];
    stop = new AbortController();
    server = await scriptedServer((response, request) => {
      if (isProbe(request)) sendJson(response, list(serverIsAt, []));
      else next(isWatch(request) ? watches : lists)(response, request);
    });
  });
  afterEach(async () => {
    stop.abort();
    await server.close();
  });

  const start = (
    timings = quick,
    client: ApiClient = server.client(),
    onSeen: () => void = () => {},
    more: Partial<ReflectorOptions<string>> = {},
  ) =>
    reflect(
      {
        client,
        clock: systemClock,
        random: () => 0,
        log: pino({ level: 'silent' }),
        path: '/things',
        keep: ({ metadata: { name, resourceVersion } }) => `${name}@${resourceVersion}`,
        onChange: ({ type, object }) => {
          seen.push(`${type} ${object}`);
          onSeen();
        },
        timings,
        ...more,
      },
      stop.signal,
    );

  it('lists page by page and watches from where the list was, with bookmarks and a time limit', async () => {
    lists = [
      (response) => sendJson(response, list('10', [raw('a', '5')], 'more')),
      (response) => sendJson(response, list('10', [raw('b', '6')])),
    ];
    await start();
    expect(seen).toEqual(['present a@5', 'present b@6']);
    expect(listRequests().map(({ query }) => [query.get('limit'), query.get('continue')])).toEqual([
      ['500', null],
      ['500', 'more'],
    ]);
    await eventually(() => expect(watchRequests()).toHaveLength(1));
    expect(Object.fromEntries(watchRequests()[0]!.query)).toEqual({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: '10',
      timeoutSeconds: '120',
    });
  });

  it('asks for a long watch only while bookmarks show that a silent one lives', async () => {
    const bookmark = (version: string) => line('BOOKMARK', raw('', version));
    const added = line('ADDED', raw('b', '18'));
    watches = [saysAndEnds(bookmark('17')), saysAndEnds(added), saysAndEnds(bookmark('19')), open];
    await start();
    await eventually(() => expect(watchRequests()).toHaveLength(4));
    expect(watchRequests().map(({ query }) => query.get('timeoutSeconds'))).toEqual(['120', '300', '120', '300']);
  });

  it('begins the list again when a page expired, and delivers nothing twice', async () => {
    lists = [
      (response) => sendJson(response, list('10', [raw('a', '5')], 'more')),
      (response) => sendStatus(response, 410, 'Expired'),
      (response) => sendJson(response, list('11', [raw('a', '5'), raw('b', '6')])),
    ];
    await start();
    expect(seen).toEqual(['present a@5', 'present b@6']);
  });

  it('goes on from the last bookmark when a watch ends, without a list', async () => {
    watches = [saysAndEnds(line('ADDED', raw('b', '11')), line('BOOKMARK', raw('', '17'))), open];
    await start();
    await eventually(() => expect(watchRequests()).toHaveLength(2));
    expect(watchRequests()[1]!.query.get('resourceVersion')).toBe('17');
    expect(listRequests()).toHaveLength(1);
    expect(seen).toEqual(['present a@5', 'present b@11']);
  });

  it.each<[string, Step]>([
    ['as an answer', (response) => sendStatus(response, 410, 'Expired')],
    ['as an event', saysAndEnds(line('ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' }))],
  ])('lists anew at 410 %s, and tells of what vanished meanwhile', async (_, gone) => {
    watches = [gone, open];
    lists = [
      (response) => sendJson(response, list('10', [raw('a', '5'), raw('b', '6'), raw('c', '7')])),
      (response) => sendJson(response, list('20', [raw('a', '5'), raw('b', '16'), raw('c', '17', 'another')])),
    ];
    await start();
    await eventually(() => expect(watchRequests()).toHaveLength(2));
    expect(seen.slice(3)).toEqual(['gone c@7', 'present b@16', 'present c@17']);
    expect(watchRequests()[1]!.query.get('resourceVersion')).toBe('20');
  });

  it.each<[string, Step]>([
    ['500', (response) => sendStatus(response, 500, 'InternalError')],
    ['a reset', (response) => void response.socket?.resetAndDestroy()],
    [
      'a reset in the middle of a line',
      (response) => {
        open(response, undefined as never);
        response.write('{"type":"ADDED","obj', () => response.socket?.resetAndDestroy());
      },
    ],
    ['an end in the middle of a line', saysAndEnds('{"type":"ADDED","obj')],
  ])('watches again from the same position after %s', async (_, failure) => {
    watches = [failure, failure, says(line('MODIFIED', raw('a', '11')))];
    await start();
    await eventually(() => expect(seen).toEqual(['present a@5', 'present a@11']));
    expect(watchRequests().map(({ query }) => query.get('resourceVersion'))).toEqual(['10', '10', '10']);
    expect(listRequests()).toHaveLength(1);
  });

  it.each<[string, Step]>([
    ['403', (response) => sendStatus(response, 403, 'Forbidden')],
    ['a line that is not JSON', saysAndEnds('<html>\n')],
  ])('lists anew after %s', async (_, failure) => {
    watches = [failure, open];
    await start();
    await eventually(() => expect(watchRequests()).toHaveLength(2));
    expect(listRequests()).toHaveLength(2);
    expect(seen).toEqual(['present a@5']);
  });

  it('survives lists that fail in every way', async () => {
    lists = [
      (response) => sendStatus(response, 500, 'InternalError'),
      (response) => void response.socket?.resetAndDestroy(),
      (response) => response.writeHead(200).end('{"metadata"'),
      (response) => response.writeHead(404).end('404 page not found'),
      (response) => sendJson(response, list('10', [raw('a', '5')])),
    ];
    await start();
    expect(seen).toEqual(['present a@5']);
  });

  describe('of a path that is one of several', () => {
    const refuse: Step = (response) => sendStatus(response, 403, 'Forbidden');
    const register = new WatchRegister(() => performance.now());
    const logged: { level: number; msg: string }[] = [];
    const startOne = () => {
      logged.length = 0;
      const instruments = { ...noInstruments, watchBegan: (resource: string) => register.begin(resource) };
      const client = new ApiClient(
        { server: server.url, namespace: undefined, authorize: () => Promise.resolve({}) },
        systemClock,
        undefined,
        instruments,
      );
      stop.signal.addEventListener('abort', () => client.close());
      const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(JSON.parse(line)) });
      const onForgotten = () => void seen.push('forgotten');
      return start(quick, client, undefined, { namespace: 'b', log, onForgotten });
    };

    it('counts as listed and empty while the right is missing, is no dead watch, and works when the right comes', async () => {
      let allowed = false;
      lists = [
        (response, request) => (allowed ? sendJson(response, list('10', [raw('a', '5')])) : refuse(response, request)),
      ];
      await startOne();
      expect(seen).toEqual(['forgotten']);
      expect(listRequests().length).toBeGreaterThanOrEqual(3);
      expect([register.unheard(), register.silentFor(0)]).toEqual([[], []]);
      await eventually(() => expect(listRequests().length).toBeGreaterThanOrEqual(6));
      expect(logged).toEqual([expect.objectContaining({ level: 40, namespace: 'b', missing: 'Forbidden it is' })]);
      allowed = true;
      await eventually(() => expect(seen).toEqual(['forgotten', 'present a@5']));
      await eventually(() => expect(register.silentFor(0)).toEqual(['things']));
      expect(logged.map(({ level }) => level)).toEqual([40, 30]);
    });

    it('tells that all is gone when the right is taken away for good', async () => {
      watches = [refuse];
      lists = [(response) => sendJson(response, list('10', [raw('a', '5'), raw('b', '6')])), refuse];
      await startOne();
      await eventually(() => expect(seen).toEqual(['present a@5', 'present b@6', 'gone a@5', 'gone b@6', 'forgotten']));
    });

    it('keeps what it knows when a server that has just started refuses once or twice', async () => {
      watches = [refuse, open];
      lists = [
        (response) => sendJson(response, list('10', [raw('a', '5')])),
        refuse,
        refuse,
        (response) => sendJson(response, list('10', [raw('a', '5')])),
      ];
      await startOne();
      await eventually(() => expect(watchRequests()).toHaveLength(2));
      expect(seen).toEqual(['present a@5']);
      expect(logged).toEqual([]);
    });
  });

  describe('of a server whose data was restored from a snapshot', () => {
    const startHere = () => start(quick, undefined, undefined, { onForgotten: () => void seen.push('forgotten') });
    // The same version may be another state after that.
    const told = ['gone a@15', 'gone b@16', 'forgotten', 'present a@15', 'present c@6'];

    beforeEach(() => {
      lists = [
        (response) => sendJson(response, list('20', [raw('a', '15'), raw('b', '16')])),
        (response) => sendJson(response, list('17', [raw('a', '15'), raw('c', '6')])),
      ];
    });

    it.each([
      ['a bookmark', line('BOOKMARK', raw('', '17'))],
      ['an event', line('ADDED', raw('c', '17'))],
    ])('forgets all and lists anew when %s goes back', async (_, goesBack) => {
      watches = [says(goesBack), open];
      await startHere();
      await eventually(() => expect(watchRequests()).toHaveLength(2));
      expect(seen.slice(2)).toEqual(told);
      expect(watchRequests()[1]!.query.get('resourceVersion')).toBe('17');
    });

    it('forgets all when a new list goes back', async () => {
      watches = [(response) => sendStatus(response, 410, 'Expired'), open];
      await startHere();
      await eventually(() => expect(watchRequests()).toHaveLength(2));
      expect(seen.slice(2)).toEqual(told);
    });

    // The server keeps back all events up to the version that it was asked from.
    it.each<[string, Step]>([
      ['said nothing', (response) => response.writeHead(200).end()],
      [
        'was reset',
        (response) => {
          open(response, undefined as never);
          response.write(line('BOOKMARK', raw('', '20')), () => response.socket?.resetAndDestroy());
        },
      ],
    ])('asks where the server is after a watch that %s', async (_, ends) => {
      serverIsAt = '17';
      watches = [ends, open];
      await startHere();
      await eventually(() => expect(watchRequests()).toHaveLength(2));
      expect(seen.slice(2)).toEqual(told);
    });
  });

  it('goes on from its position after a silent watch when the server is not behind that', async () => {
    serverIsAt = '10';
    watches = [(response) => response.writeHead(200).end(), open];
    await start();
    await eventually(() => expect(watchRequests()).toHaveLength(2));
    expect(server.requests.filter(isProbe)).toHaveLength(1);
    expect(listRequests()).toHaveLength(1);
    expect(seen).toEqual(['present a@5']);
  });

  it('waits for the right to a path that is the only one', async () => {
    lists = [(response) => sendStatus(response, 403, 'Forbidden')];
    let isReady = false;
    void start().then(() => {
      isReady = true;
    });
    await eventually(() => expect(listRequests().length).toBeGreaterThanOrEqual(6));
    expect(isReady).toBe(false);
  });

  it('stays away as long as the server asks at 429', async () => {
    const atMs: number[] = [];
    watches = [
      (response) => {
        atMs.push(performance.now());
        sendStatus(response, 429, 'TooManyRequests', { 'retry-after': '1' });
      },
      (response, request) => {
        atMs.push(performance.now());
        open(response, request);
      },
    ];
    await start();
    await eventually(() => expect(atMs).toHaveLength(2));
    expect(atMs[1]! - atMs[0]!).toBeGreaterThanOrEqual(990);
    expect(listRequests()).toHaveLength(1);
  });

  it('notices a connection that went silent', async () => {
    watches = [open, says(line('MODIFIED', raw('a', '11')))];
    await start({ ...quick, inactivityMs: 150 });
    await eventually(() => expect(seen).toContain('present a@11'));
    expect(listRequests()).toHaveLength(1);
  });

  it('notices a server that accepts and never answers', async () => {
    watches = [() => {}, says(line('MODIFIED', raw('a', '11')))];
    await start(quick, server.client(150));
    await eventually(() => expect(seen).toContain('present a@11'));
  });

  it('slows down when watches end at once', async () => {
    watches = [(response) => response.writeHead(200).end()];
    await start({ ...quick, shortWatchMs: 1_000, backoff: { firstMs: 1_000, factor: 2, capMs: 1_000 } });
    await eventually(() => expect(watchRequests()).toHaveLength(1));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(watchRequests()).toHaveLength(1);
  });

  it('opens no watch when it was stopped while the list was under way', async () => {
    let release = (): void => {};
    lists = [
      (response) => {
        // Answered in two halves: the abort comes while the client reads the second.
        response.writeHead(200).write('{"metadata":{"resourceVersion":"10"},');
        release = () => response.end('"items":[]}');
      },
    ];
    const started = start();
    await eventually(() => expect(listRequests()).toHaveLength(1));
    stop.abort();
    release();
    await started;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(watchRequests()).toHaveLength(0);
    expect(seen).toEqual([]);
  });

  it('opens no watch when the last object of the list stopped it, and tells of no further one', async () => {
    lists = [(response) => sendJson(response, list('10', [raw('a', '5'), raw('b', '6')]))];
    await start(quick, server.client(), () => stop.abort());
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(watchRequests()).toHaveLength(0);
    expect(seen).toEqual(['present a@5']);
  });

  it('ends during a pause and during a watch, and leaves no connection', async () => {
    const closed = jest.fn();
    watches = [
      (response) => {
        open(response, undefined as never);
        response.on('close', closed);
      },
    ];
    await start();
    await eventually(() => expect(watchRequests()).toHaveLength(1));
    stop.abort();
    await eventually(() => expect(closed).toHaveBeenCalled());

    stop = new AbortController();
    lists = [(response) => sendStatus(response, 500, 'InternalError')];
    const waiting = start({ ...quick, backoff: { firstMs: 60_000, factor: 1, capMs: 60_000 } });
    await eventually(() => expect(listRequests()).toHaveLength(2));
    stop.abort();
    await waiting;
  });

  it('goes on when a callback throws', async () => {
    watches = [says(line('ADDED', raw('b', '11')), line('ADDED', raw('c', '12')))];
    await start(quick, server.client(), () => {
      throw new Error('a defect');
    });
    await eventually(() => expect(seen).toEqual(['present a@5', 'present b@11', 'present c@12']));
    expect(watchRequests()).toHaveLength(1);
  });

  it('reads events also when the bytes are cut inside of a character', async () => {
    const bytes = Buffer.from(line('ADDED', raw('müller-☃', '11')) + line('DELETED', raw('müller-☃', '12')));
    watches = [
      async (response) => {
        open(response, undefined as never);
        response.socket?.setNoDelay(true);
        for (let at = 0; at < bytes.length; ) {
          // Up to the middle of the next character of more than one byte.
          const next = bytes.subarray(at + 1).findIndex((byte) => byte >= 0x80 && byte < 0xc0);
          const end = next === -1 ? bytes.length : at + 1 + next;
          response.write(bytes.subarray(at, end));
          await new Promise((resolve) => setTimeout(resolve, 20));
          at = end;
        }
      },
    ];
    await start();
    await eventually(() => expect(seen.slice(1)).toEqual(['present müller-☃@11', 'gone müller-☃@12']));
  });
});
