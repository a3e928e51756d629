import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import { connectByKubeconfig } from '../../../src/cluster/kubernetes/connect.ts';
import { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { kindPath, objectPath } from '../../../src/cluster/kubernetes/paths.ts';
import { type Kind, kinds } from '../../../src/cluster/resource.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { kubectlApply } from '../../harness/cluster/kubectl.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { helm, renderChart } from '../../harness/helm.ts';
import { clientOf, freshNamespace, installKinds } from './kubernetes-client.ts';
import { sampleDraft } from './samples.ts';

// The first run on a machine builds kube-apiserver and helm from source.
const coldMs = 15 * 60_000;

const acts = ['get', 'list', 'create', 'patch', 'delete'] as const;
type Act = (typeof acts)[number];
type May = Partial<Record<Kind, readonly Act[]>>;

const look = ['get', 'list'] as const;
const lookAtAll: May = Object.fromEntries(kinds.map((kind) => [kind, look]));

/** What the documentation says of each role. */
const roles: Record<string, May> = {
  viewer: lookAtAll,
  'backup-operator': { ...lookAtAll, BackupRun: [...look, 'create', 'delete'] },
  'failover-admin': {
    ...lookAtAll,
    BackupRun: [...look, 'create', 'delete'],
    RestoreRequest: [...look, 'create', 'delete'],
  },
  'policy-editor': Object.fromEntries(kinds.map((kind) => [kind, acts])),
};

describe('the roles for people', () => {
  let server: ApiServer;
  let admin: ApiClient;
  let namespace: string;
  let elsewhere: string;

  beforeAll(async () => {
    await helm(['version'], { tell: tellOnStderr });
    server = await apiServer({ tell: tellOnStderr });
    admin = clientOf(server.kubeconfigPath);
    await installKinds(admin);
    namespace = await freshNamespace(admin);
    elsewhere = await freshNamespace(admin);
    for (const kind of kinds) {
      const { metadata, spec } = sampleDraft(kind, namespace, 'there');
      const body = { apiVersion: 'backstay.dev/v1alpha1', kind, metadata, spec };
      await admin.json({ method: 'POST', path: kindPath(kind, namespace), body });
    }
    const wide = (await renderChart({})).filter(({ kind }) => kind === 'ClusterRole');
    // The same roles, kept to one namespace by values.
    const narrow = (await renderChart({ watchNamespaces: [namespace] })).filter(
      ({ kind, metadata }) => kind === 'Role' && metadata.namespace === namespace,
    );
    const bindings = Object.keys(roles).flatMap((role) => [
      binding(`wide-${role}`, 'ClusterRole', role),
      binding(`narrow-${role}`, 'Role', role),
    ]);
    const cluster = { way: 'named by the user' as const, kubeconfigPath: server.kubeconfigPath };
    await kubectlApply([...wide, ...narrow, ...bindings], cluster);
  }, coldMs);
  afterAll(async () => {
    admin?.close();
    await server?.stop();
  });

  const binding = (user: string, kind: string, role: string): object => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: user, namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name: `backstay-${role}` },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  });

  describe.each(Object.entries(roles))('%s', (role, may) => {
    it.each(['wide', 'narrow'])(
      'bound in one namespace (%s) can do there what is said of it, and nothing else',
      async (form) => {
        const user = clientAs(`${form}-${role}`);
        try {
          const can: [Kind, Act[]][] = [];
          for (const kind of kinds) can.push([kind, await whatItCan(user, kind, namespace)]);
          expect(can).toEqual(kinds.map((kind) => [kind, acts.filter((act) => may[kind]?.includes(act))]));
          for (const kind of kinds) expect(await whatItCan(user, kind, elsewhere)).toEqual([]);
          await expect(
            user.json({ method: 'GET', path: `/api/v1/namespaces/${namespace}/secrets` }),
          ).rejects.toMatchObject({
            code: 'Forbidden',
          });
        } finally {
          user.close();
        }
      },
    );
  });

  it('are added to view and, when values say so, to edit; never to more', async () => {
    const aggregated = async (values: object) =>
      (await renderChart(values)).flatMap(({ kind, metadata }) => {
        const { labels = {} } = metadata as { labels?: Record<string, string> };
        const into = Object.keys(labels).filter((label) => label.includes('aggregate'));
        return kind === 'ClusterRole' && into.length > 0 ? [[metadata.name, ...into]] : [];
      });
    const prefix = 'rbac.authorization.k8s.io/aggregate-to';
    expect(await aggregated({})).toEqual([['backstay-viewer', `${prefix}-view`]]);
    expect(await aggregated({ rbac: { aggregateToEdit: true, aggregateToView: false } })).toEqual([
      ['backstay-policy-editor', `${prefix}-edit`],
    ]);
  });

  function clientAs(name: string): ApiClient {
    const connection = connectByKubeconfig({ path: server.kubeconfigPath });
    const asUser = {
      ...connection,
      async authorize() {
        const options = await connection.authorize();
        return { ...options, headers: { ...(options.headers as object), 'Impersonate-User': name } };
      },
    };
    return new ApiClient(asUser, systemClock);
  }

  /** By asking for each, as a dry run. */
  async function whatItCan(user: ApiClient, kind: Kind, where: string): Promise<Act[]> {
    const path = objectPath(kind, { namespace: where, name: 'there' });
    const { metadata, spec } = sampleDraft(kind, where, 'new');
    const body = { apiVersion: 'backstay.dev/v1alpha1', kind, metadata, spec };
    const query = { dryRun: 'All' };
    const requests = {
      get: { method: 'GET', path },
      list: { method: 'GET', path: kindPath(kind, where) },
      create: { method: 'POST', path: kindPath(kind, where), query, body },
      patch: { method: 'PATCH', path, query, body: { metadata: { labels: { seen: 'yes' } } } },
      delete: { method: 'DELETE', path, query },
    } as const;
    const can: Act[] = [];
    for (const act of acts) {
      const answer = await user.json(requests[act]).then(
        () => 'done',
        (error: { code: string }) => error.code,
      );
      if (answer !== 'Forbidden') {
        expect([act, answer]).toEqual([act, 'done']);
        can.push(act);
      }
    }
    return can;
  }
});
