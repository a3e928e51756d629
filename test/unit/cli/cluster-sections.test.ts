import { afterEach, expect, it } from '@jest/globals';
import { clusterSections } from '../../../src/cli/report/cluster-sections.ts';
import { scriptedServer, sendJson } from '../cluster/kubernetes/scripted-server.ts';

let server: Awaited<ReturnType<typeof scriptedServer>>;
afterEach(() => server.close());

/** What the report holds of an operator whose pods have these labels. */
async function operatorParts(labels: Record<string, string>): Promise<unknown[]> {
  server = await scriptedServer((response, { path, query }) => {
    if (path.endsWith('/log')) {
      response.end('a line\n');
      return;
    }
    const wanted = (query.get('labelSelector') ?? '').split(',').map((pair) => pair.split('='));
    const isFound = wanted.every(([name = '', value]) => labels[name] === value);
    const metadata = { namespace: 'system', name: 'dbops-7', uid: 'u', resourceVersion: '1', labels };
    sendJson(response, { metadata: { resourceVersion: '1' }, items: isFound ? [{ metadata }] : [] });
  });
  const sections = clusterSections(server.client(), undefined);
  return Promise.all(sections.filter(({ name }) => name.startsWith('operator')).map(({ gather }) => gather()));
}

it('a report finds the operator whatever nameOverride called it', async () => {
  const [pods, log] = await operatorParts({
    'app.kubernetes.io/name': 'dbops',
    'app.kubernetes.io/part-of': 'backstay',
    'app.kubernetes.io/component': 'operator',
  });
  expect(pods).toMatchObject([{ metadata: { name: 'dbops-7' } }]);
  expect(log).toEqual({ 'system/dbops-7': 'a line\n' });
});

it('a report says so when there is no operator', async () => {
  const missing = expect.stringMatching(/^no operator pod found/);
  expect(await operatorParts({})).toEqual([missing, missing]);
});
