import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { listAll } from '../../../../src/cluster/kubernetes/list.ts';
import { type Answer, scriptedServer, sendJson, sendStatus } from './scripted-server.ts';

const raw = (name: string) => ({ metadata: { name, uid: name, resourceVersion: '1' } });
const page = (items: object[], token?: string): Answer => {
  const metadata = { resourceVersion: '10', ...(token !== undefined && { continue: token }) };
  return (response) => sendJson(response, { metadata, items });
};
const expired: Answer = (response) => sendStatus(response, 410, 'Expired');

let answers: Answer[];
let server: Awaited<ReturnType<typeof scriptedServer>>;
beforeEach(async () => {
  server = await scriptedServer((response, request) => answers.shift()!(response, request));
});
afterEach(() => server.close());

it('a list begins again when a page has expired, and holds nothing twice', async () => {
  answers = [page([raw('a')], 'more'), expired, page([raw('a')], 'more'), page([raw('b')])];
  const { items } = await listAll(server.client(), '/things', { labelSelector: 'x' });
  expect(items.map(({ metadata }) => metadata.name)).toEqual(['a', 'b']);
  expect(server.requests.map(({ query }) => [query.get('continue'), query.get('labelSelector')])).toEqual([
    [null, 'x'],
    ['more', 'x'],
    [null, 'x'],
    ['more', 'x'],
  ]);
});

it('a list that expires every time fails instead of going on for ever', async () => {
  answers = Array.from({ length: 3 }, () => [page([raw('a')], 'more'), expired]).flat();
  await expect(listAll(server.client(), '/things')).rejects.toMatchObject({ code: 'Unavailable', status: 410 });
});
