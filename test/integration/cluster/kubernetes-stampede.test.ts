import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackupRunStatus } from '../../../src/api/backup-run.ts';
import type { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import type { Resource } from '../../../src/cluster/resource.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { LocalOperator } from '../../harness/kubernetes-operator.ts';
import { clientOf, freshNamespace, installKinds } from './kubernetes-client.ts';
import { PaperNode } from './paper-node.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;
const patienceMs = 180_000;
const policies = 50;
const atOnce = 5;

describe(`${policies} policies that are due in the same second, with a limit of ${atOnce} runs`, () => {
  let server: ApiServer;
  let client: ApiClient;
  let node: PaperNode;
  let operator: LocalOperator;
  let runs: Resource[];

  beforeAll(async () => {
    server = await apiServer({ tell: tellOnStderr });
    client = clientOf(server.kubeconfigPath);
    await installKinds(client);
    const namespace = await freshNamespace(client);
    node = new PaperNode(client, namespace, atOnce);
    operator = new LocalOperator({ way: 'named by the user', kubeconfigPath: server.kubeconfigPath }, [], {
      limits: { concurrentRuns: atOnce },
      timings: { recheck: '1s' },
    });
    await Promise.all(
      Array.from({ length: policies }, (_, at) =>
        client.json({ method: 'POST', path: pathOf(namespace, 'backuppolicies'), body: policyOf(at) }),
      ),
    );
    runs = await eventually(
      async () => {
        const { items } = await client.json<{ items: Resource[] }>({
          method: 'GET',
          path: pathOf(namespace, 'backupruns'),
        });
        const open = items.filter(({ status }) => (status as BackupRunStatus)?.completedAt === undefined);
        if (items.length < policies || open.length > 0)
          throw new Error(`${items.length} runs, ${open.length} of them not over\n${operator.log}`);
        return items;
      },
      patienceMs,
      200,
    );
  }, coldMs);

  afterAll(async () => {
    await operator?.stop();
    await node?.stop();
    client?.close();
    await server?.stop();
  });

  const pathOf = (namespace: string, plural: string): string =>
    `/apis/backstay.dev/v1alpha1/namespaces/${namespace}/${plural}`;

  const policyOf = (at: number): object => ({
    apiVersion: 'backstay.dev/v1alpha1',
    kind: 'BackupPolicy',
    metadata: { name: `shop-${at}` },
    spec: {
      engine: 'PostgreSQL',
      // A server of its own each: what is limited here is not the lock of a server.
      target: { host: `db-${at}.example.com`, credentials: { backup: { secretName: 'shop-backup' } } },
      toolImages: { dump: 'postgres:18' },
      stores: [{ name: 'near', s3: { bucket: 'backups', prefix: `shop-${at}`, credentials: { secretName: 's3' } } }],
      schedules: [{ name: 'yearly', cron: '@yearly', immediate: true, method: 'Dump', dump: { databases: ['shop'] } }],
    },
  });

  it('every policy has one run, and every run succeeded at its first attempt', () => {
    const named = runs.map(({ spec }) => (spec as { policyName: string }).policyName);
    expect(new Set(named).size).toBe(policies);
    expect(runs).toHaveLength(policies);
    for (const { status } of runs) {
      expect(status).toMatchObject({ phase: 'Succeeded', attempts: [{ number: 1, outcome: 'Succeeded' }] });
    }
  });

  it('no more of them worked at once than the limit allows, and the limit was used', () => {
    expect(node.mostAtOnce).toBe(atOnce);
  });

  it('every run had one Job', () => {
    expect(node.jobsSeen).toBe(policies);
  });
});
