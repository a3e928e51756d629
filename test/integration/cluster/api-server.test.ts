import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;

describe('the API server of the harness', () => {
  let server: ApiServer;
  let core: CoreV1Api;

  beforeAll(async () => {
    server = await apiServer({ tell: tellOnStderr });
    const config = new KubeConfig();
    config.loadFromFile(server.kubeconfigPath);
    core = config.makeApiClient(CoreV1Api);
  }, coldMs);

  afterAll(() => server.stop());

  it('creates a namespace', async () => {
    await core.createNamespace({ body: { metadata: { name: 'shop' } } });
    expect((await core.readNamespace({ name: 'shop' })).status?.phase).toBe('Active');
  });

  it('keeps its data over a restart that kills it', async () => {
    await core.createNamespace({ body: { metadata: { name: 'kept' } } });
    await server.restartApiServer('SIGKILL');
    expect((await core.readNamespace({ name: 'kept' })).metadata?.name).toBe('kept');
  });

  it('answers nothing while it is paused, and the same request when it runs again', async () => {
    server.pause();
    const answer = core.readNamespace({ name: 'default' });
    const first = await Promise.race([
      answer.then(() => 'answered'),
      new Promise((resolve) => setTimeout(resolve, 500, 'silent')),
    ]);
    server.resume();
    expect(first).toBe('silent');
    expect((await answer).metadata?.name).toBe('default');
  });

  it('refuses who has no token', async () => {
    const config = new KubeConfig();
    config.loadFromClusterAndUser(
      { name: 'c', server: server.url, caFile: server.caFile, skipTLSVerify: false },
      { name: 'u', token: 'wrong' },
    );
    await expect(config.makeApiClient(CoreV1Api).listNamespace()).rejects.toMatchObject({ code: 401 });
  });
});
