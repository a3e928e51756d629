import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { kindNames } from '../../../../src/api/names.ts';
import { groupVersionPath } from '../../../../src/cluster/kubernetes/paths.ts';
import { awaitServedKinds } from '../../../../src/cluster/kubernetes/served-kinds.ts';
import { FakeClock } from '../../../harness/fake-clock.ts';
import { type Answer, scriptedServer, sendJson, sendStatus } from './scripted-server.ts';

const hangUp: Answer = (response) => response.destroy();
const notServed: Answer = (response) => sendStatus(response, 404, 'NotFound');
const served: Answer = (response) =>
  sendJson(response, {
    resources: Object.values(kindNames).flatMap(({ plural }) => [{ name: plural }, { name: `${plural}/status` }]),
  });
const unready: Answer = (response) => sendStatus(response, 503, 'ServiceUnavailable');

let answers: Answer[];
let lines: { msg: string }[];
let stop: AbortController;
let clock: FakeClock;
let server: Awaited<ReturnType<typeof scriptedServer>>;
beforeEach(async () => {
  lines = [];
  stop = new AbortController();
  clock = new FakeClock();
  server = await scriptedServer((response, request) => {
    // Where the schemas may not be read the list of kinds decides alone.
    if (request.path !== groupVersionPath) sendStatus(response, 403, 'Forbidden');
    else (answers.shift() as Answer)(response, request);
  });
});
afterEach(() => server.close());

/** Time passes only while it waits for the next attempt: a second for each. */
async function settled(patienceMs: number): Promise<void> {
  const log = pino({ level: 'warn' }, { write: (text: string) => lines.push(JSON.parse(text)) });
  let isOver = false;
  const end = awaitServedKinds({ client: server.client(), clock, log, patienceMs, signal: stop.signal }).finally(() => {
    isOver = true;
  });
  // Looked at below, when it is over.
  end.catch(() => undefined);
  while (!isOver) {
    if (clock.pending > 0) await clock.advance(1000);
    else await setImmediate();
  }
  return end;
}

it('an API server that is away is waited for as long as it takes, and said once', async () => {
  answers = [...Array.from({ length: 60 }, () => hangUp), served];
  await settled(2_000);
  expect(answers).toEqual([]);
  expect(lines.map(({ msg }) => msg)).toEqual(['the API server is away; asking again']);
});

it('the patience with what was just installed begins when the server is there', async () => {
  answers = [hangUp, unready, hangUp, unready, notServed, notServed, served];
  await settled(2_000);
  expect(answers).toEqual([]);
});

it('kinds that are not served end the wait when the patience is over', async () => {
  answers = [notServed, notServed, notServed];
  await expect(settled(2_000)).rejects.toMatchObject({ reason: 'KindsMissing' });
  expect(answers).toEqual([]);
});

it('a refusal ends the wait at once', async () => {
  answers = [(response) => sendStatus(response, 403, 'Forbidden')];
  await expect(settled(2_000)).rejects.toMatchObject({ code: 'Forbidden' });
});

it('a stop ends the wait, also while a server holds the connection and says nothing', async () => {
  answers = [hangUp, () => stop.abort()];
  await settled(2_000);
  expect(answers).toEqual([]);
});
