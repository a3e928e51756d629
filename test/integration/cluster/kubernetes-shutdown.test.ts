import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { conditionsIn } from '../../../src/cluster/conditions.ts';
import type { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { keyOf, type Resource } from '../../../src/cluster/resource.ts';
import { type ApiProxy, apiProxy, type ProxiedRequest } from '../../harness/cluster/api-proxy.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { OperatorProcess } from '../../harness/cluster/operator-process.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { clientOf, freshNamespace, installKinds, objectsOf } from './kubernetes-client.ts';
import { sampleDraft } from './samples.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;
const slowMs = 180_000;

const isStatus = ({ method, path }: ProxiedRequest): boolean => method === 'PUT' && path.endsWith('/status');
const isRelease = ({ method, path }: ProxiedRequest): boolean => method === 'PUT' && path.includes('/leases/');

describe('an operator that is asked to stop', () => {
  let server: ApiServer;
  let admin: ApiClient;
  let proxy: ApiProxy;
  let directory: string;
  let namespace: string;
  let policy: Resource;
  let operator: OperatorProcess | undefined;

  beforeAll(async () => {
    server = await apiServer({ tell: tellOnStderr });
    admin = clientOf(server.kubeconfigPath);
    await installKinds(admin);
  }, coldMs);
  afterAll(async () => {
    admin?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    proxy = await apiProxy(server);
    directory = await mkdtemp(join(tmpdir(), 'backstay-shutdown-'));
    namespace = await freshNamespace(admin);
    policy = await objectsOf(admin).create(sampleDraft('BackupPolicy', namespace, 'shop'));
  });
  afterEach(async () => {
    await operator?.kill();
    await proxy.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** An operator whose every request goes through the proxy. */
  async function start(shutdown: string): Promise<OperatorProcess> {
    const kubeconfig = join(directory, 'kubeconfig');
    const cluster = { server: proxy.connection.server.href, 'insecure-skip-tls-verify': true };
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster }],
      users: [{ name: 'test', user: { token: 'of the proxy' } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    };
    await writeFile(kubeconfig, JSON.stringify(config));
    const leaderElection = { enabled: true, namespace };
    operator = new OperatorProcess(kubeconfig, 'operator', {
      namespaces: [namespace],
      leaderElection,
      timings: { shutdown },
    });
    return operator;
  }

  const holder = async (): Promise<string> => {
    const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/backstay`;
    const { spec } = await admin.json<{ spec: { holderIdentity?: string } }>({ method: 'GET', path });
    return spec.holderIdentity ?? '';
  };
  const told = async () => conditionsIn((await objectsOf(admin).get('BackupPolicy', keyOf(policy)))?.status);

  it(
    'ends what it is in the middle of, then lets the lease go, and ends well',
    async () => {
      const held = Promise.withResolvers<undefined>();
      let order: string[] = [];
      proxy.judge = (request) => {
        if (isStatus(request)) order.push('status');
        if (isRelease(request)) order.push('lease');
        return isStatus(request) ? held.promise : undefined;
      };
      const process = await start('60s');
      await eventually(() => expect(order).toContain('status'), 60_000);
      process.signal('SIGTERM');
      order = [];
      // While the status is on its way the lease is kept, and renewed.
      await eventually(() => expect(order).toContain('lease'));
      expect(await holder()).not.toBe('');
      held.resolve(undefined);
      expect(await process.ended).toEqual({ code: 0, signal: null });
      expect(await told()).not.toEqual([]);
      expect(await holder()).toBe('');
    },
    slowMs,
  );

  it(
    'ends in time and with a failure when what it is in the middle of hangs, and keeps the lease from the next one',
    async () => {
      proxy.judge = (request) => (isStatus(request) ? 'silence' : undefined);
      const process = await start('1s');
      await eventually(() => expect(proxy.requests.some(isStatus)).toBe(true), 60_000);
      process.signal('SIGTERM');
      expect(await process.ended).toEqual({ code: 1, signal: null });
      expect(process.said('what was running did not end in time')).toBe(true);
      expect(await holder()).toMatch(/^operator_/);
    },
    slowMs,
  );
});
