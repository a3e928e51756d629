import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import { connectByKubeconfig } from '../../../src/cluster/kubernetes/connect.ts';
import { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { podDefaults } from '../../../src/cluster/kubernetes/job.ts';
import { KubernetesRunner } from '../../../src/cluster/kubernetes/runner.ts';
import { checkServedKinds } from '../../../src/cluster/kubernetes/served-kinds.ts';
import { KubernetesWorkloads } from '../../../src/cluster/kubernetes/workloads.ts';
import type { ObjectChange } from '../../../src/cluster/objects.ts';
import { kinds } from '../../../src/cluster/resource.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { helm, renderChart } from '../../harness/helm.ts';
import { clientOf, freshNamespace, installKinds, objectsOf, silentLog } from './kubernetes-client.ts';
import { ownerReferenceTo, sampleDraft } from './samples.ts';

// The first run on a machine builds kube-apiserver and helm from source.
const coldMs = 10 * 60_000;

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

describe('the operator with the rights that the chart gives it', () => {
  let server: ApiServer;
  let admin: ApiClient;
  let operator: ApiClient;
  let namespace: string;

  beforeAll(async () => {
    server = await apiServer({ tell: tellOnStderr });
    admin = clientOf(server.kubeconfigPath);
    await installKinds(admin);
    await helm(['version'], { tell: tellOnStderr });
    await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'backstay-system' } });
    const values = { tests: { enabled: false }, rbac: { userRoles: false } };
    for (const manifest of (await renderChart(values)) as unknown as Manifest[]) {
      if (plurals[manifest.kind] !== undefined) await apply(manifest);
    }
    const connection = connectByKubeconfig({ path: server.kubeconfigPath });
    const asOperator = {
      ...connection,
      async authorize() {
        const options = await connection.authorize();
        const who = 'system:serviceaccount:backstay-system:backstay';
        return { ...options, headers: { ...(options.headers as object), 'Impersonate-User': who } };
      },
    };
    operator = new ApiClient(asOperator, systemClock);
    namespace = await freshNamespace(admin);
  }, coldMs);
  afterAll(async () => {
    admin?.close();
    operator?.close();
    await server?.stop();
  });

  const plurals: Record<string, string> = {
    Namespace: 'namespaces',
    ServiceAccount: 'serviceaccounts',
    ClusterRole: 'clusterroles',
    ClusterRoleBinding: 'clusterrolebindings',
    Role: 'roles',
    RoleBinding: 'rolebindings',
  };
  async function apply(body: Manifest): Promise<void> {
    const root = body.apiVersion.includes('/') ? `/apis/${body.apiVersion}` : `/api/${body.apiVersion}`;
    const within = body.metadata.namespace === undefined ? '' : `/namespaces/${body.metadata.namespace}`;
    const path = `${root}${within}/${plurals[body.kind]}`;
    await admin.json({ method: 'POST', path, query: { fieldValidation: 'Strict' }, body });
  }

  it('may do what it does', async () => {
    await checkServedKinds(operator);
    const objects = objectsOf(operator);
    await objects.clusterId();
    const stop = new AbortController();
    for (const kind of kinds) {
      const { metadata } = await objectsOf(admin).create(sampleDraft(kind, namespace, 'shop'));
      const object = (await objects.get(kind, metadata))!;
      await objects.list(kind);
      await objects.replaceStatus(object, {});
      const seen: ObjectChange[] = [];
      await objects.watch(kind, (change) => seen.push(change), stop.signal);
      await objectsOf(admin).create(sampleDraft(kind, namespace, 'later'));
      await eventually(() => expect(seen.map(({ object }) => object.metadata.name)).toContain('later'));
    }
    const run = await objects.create(sampleDraft('BackupRun', namespace, 'scheduled'));
    const request = (await objects.get('RestoreRequest', { namespace, name: 'shop' }))!;
    for (const object of [run, request]) {
      const held = await objects.replaceFinalizers(object, ['backstay.dev/task']);
      await objects.replaceFinalizers(held, []);
    }
    stop.abort();

    const runner = new KubernetesRunner({
      client: operator,
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      pod: { ...podDefaults, image: 'backstay:dev' },
    });
    const following = new AbortController();
    await runner.watch(() => {}, following.signal);
    const task = {
      name: 'scheduled-1',
      namespace,
      owner: ownerReferenceTo(run),
      secrets: [],
      task: () => ({
        taskVersion: 1 as const,
        verb: 'inspect' as const,
        object: '',
        runUid: '',
        deadlineMs: 0,
        store: { kind: 'filesystem' as const, name: '', path: '' },
      }),
      tool: undefined,
      volumes: [{ claimName: 'backups', path: '/backstay/store' }],
      runningMs: 1,
    };
    await runner.start(task);
    await runner.start(task);
    expect(await runner.observe(task)).toEqual({ state: 'starting' });
    await runner.stop(task);
    await runner.remove(task);
    following.abort();
  });

  it('may look at the server, and at the log of a pod', async () => {
    const labels = { app: 'db' };
    const container = { name: 'db', image: 'postgres:18' };
    const spec = {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    };
    for (const kind of ['StatefulSet', 'Deployment'] as const) {
      const path = `/apis/apps/v1/namespaces/${namespace}/${kind.toLowerCase()}s`;
      await admin.json({ method: 'POST', path, body: { metadata: { name: 'db' }, spec } });
      const looked = new KubernetesWorkloads(operator).runningImage({ kind, namespace, name: 'db' }, { port: 5432 });
      await expect(looked).rejects.toMatchObject({ reason: 'WorkloadNotRunning' });
    }
    const path = `/api/v1/namespaces/${namespace}/pods/nobody/log`;
    const { signal } = new AbortController();
    await expect(operator.stream({ method: 'GET', path, signal })).rejects.toMatchObject({ code: 'NotFound' });
  });

  it('tells what happens in events, the same news as one event with a count', async () => {
    const objects = objectsOf(operator);
    const run = await objects.create(sampleDraft('BackupRun', namespace, 'eventful'));
    for (let count = 0; count < 3; count++) {
      await objects.recordEvent(run, { type: 'Warning', reason: 'ToolFailed', message: 'pg_dump ended with 1' });
    }
    const { items } = await admin.json<{ items: object[] }>({
      method: 'GET',
      path: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`,
      query: { fieldSelector: `regarding.uid=${run.metadata.uid}` },
    });
    expect(items).toEqual([
      expect.objectContaining({ reason: 'ToolFailed', series: expect.objectContaining({ count: 3 }) }),
    ]);
  });

  it.each([
    ['read a secret', 'GET', (within: string) => `/api/v1/namespaces/${within}/secrets/shop-backup`],
    ['list secrets', 'GET', (within: string) => `/api/v1/namespaces/${within}/secrets`],
    ['delete a run', 'DELETE', (within: string) => `/apis/backstay.dev/v1alpha1/namespaces/${within}/backupruns/shop`],
    ['read a namespace', 'GET', (within: string) => `/api/v1/namespaces/${within}`],
  ] as const)('may not %s', async (_, method, path) => {
    await expect(operator.json({ method, path: path(namespace) })).rejects.toMatchObject({ code: 'Forbidden' });
  });
});
