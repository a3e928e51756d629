import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { attemptTask } from '../../../src/operator/task-name.ts';
import { imageName } from '../../harness/cluster/backstay-image.ts';
import { bringUpCluster, type SettledCluster } from '../../harness/cluster/cluster.ts';
import { kubectlApply } from '../../harness/cluster/kubectl.ts';
import { OperatorProcess } from '../../harness/cluster/operator-process.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { helm, renderChart } from '../../harness/helm.ts';
import { kindsOnly } from '../../harness/kubernetes-operator.ts';
import { Playground, readManifests } from '../../harness/kubernetes-shop.ts';
import { RecordingProxy } from '../../harness/recording-proxy.ts';
import { makeShop } from '../../harness/shop.ts';

// The first run on a machine builds Kubernetes and helm from source.
const coldMs = 30 * 60_000;
const patienceMs = 240_000;

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
  resourceNames?: string[];
}

let cluster: SettledCluster;
let shop: Playground;
let proxy: RecordingProxy;
let operator: OperatorProcess;
let rules: Rule[];
const place = mkdtempSync(join(tmpdir(), 'backstay-rights-'));

beforeAll(async () => {
  cluster = await bringUpCluster({ tell: tellOnStderr });
  await helm(['version'], { tell: tellOnStderr });
  // For the kinds; the operator is one of this test's own.
  await kindsOnly(cluster);
  shop = new Playground(cluster, `rights-${process.pid}`);
  await shop.start();
  await makeShop(shop);
  const { namespace } = shop;
  const values = { watchNamespaces: [namespace], rbac: { userRoles: false }, tests: { enabled: false } };
  const rendered = await renderChart(values, { name: 'backstay', namespace });
  const granted = rendered.filter(({ kind }) => ['Role', 'RoleBinding', 'ServiceAccount'].includes(kind));
  await kubectlApply(granted, cluster);
  rules = granted.filter(({ kind }) => kind === 'Role').flatMap((role) => role['rules'] as Rule[]);
  proxy = new RecordingProxy({ ...cluster, user: `system:serviceaccount:${namespace}:backstay` });
  const kubeconfig = join(place, 'kubeconfig');
  writeFileSync(kubeconfig, await proxy.listen());
  operator = new OperatorProcess(kubeconfig, 'rights', {
    image: imageName,
    namespaces: [namespace],
    leaderElection: { enabled: true, namespace, name: 'backstay', retryPeriod: '1s' },
    timings: { recheck: '1s', progress: '1s', retryBackoff: '1s' },
  });
}, coldMs);

afterAll(async () => {
  await operator?.kill();
  proxy?.close();
  await shop?.stop('leave');
  rmSync(place, { recursive: true, force: true });
}, patienceMs);

describe('the rights that the chart gives', () => {
  it(
    'are enough for all that the operator does',
    async () => {
      // A backup to a claim, of the image that the server's StatefulSet runs, while somebody looks how far it is.
      await shop.apply([claim('store'), ...readGrant('granted')]);
      const spec = shop.policy()['spec'] as { target: object };
      const target = { ...spec.target, workload: { kind: 'StatefulSet', name: 'shop-postgres' } };
      const stores = [{ name: 'claim', filesystem: { claimName: 'store' } }];
      const held = await shop.heldCopy('held');
      const policy = { ...shop.policy({ name: 'claimed' }), spec: { ...spec, target, stores, schedules: [] } };
      await shop.apply([policy, runOf('claimed', 'claimed', 'held')]);
      await eventually(() => shop.dumpWaits('held'), 90_000, 300);
      await eventually(() => expect(whatWasAsked()).toContain('get pods/log'), 30_000, 300);
      await held.letGo();
      expect((await shop.waitForEnd('BackupRun', 'claimed')).status).toMatchObject({ phase: 'Succeeded' });

      // A scheduled run, and its restore.
      await shop.apply([shop.policy()]);
      const first = await shop.firstRun();
      expect((await shop.waitForEnd('BackupRun', first)).status.failure).toBeUndefined();
      await shop.query('CREATE DATABASE restored TEMPLATE template0');
      const [restore] = readManifests('examples/kubernetes/restore.yaml');
      const request = restore!['spec'] as { target: object };
      await shop.apply([
        {
          ...restore!,
          metadata: { name: 'back' },
          spec: { ...request, source: { runName: first }, target: { ...request.target, database: 'restored' } },
        },
      ]);
      expect((await shop.waitForEnd('RestoreRequest', 'back')).status).toMatchObject({ phase: 'Succeeded' });

      // A run that waits for a secret until it is stopped, one of a server that is not there, and one deleted at work.
      const missing = { backup: { secretName: 'nowhere' } };
      const soon = { startingDeadline: '10s', target: { ...spec.target, credentials: missing } };
      await shop.backUp('waits', { spec: soon });
      expect((await shop.waitForEnd('BackupRun', 'waits')).status).toMatchObject({ phase: 'Failed' });
      const deployment = { ...target, workload: { kind: 'Deployment', name: 'nowhere' } };
      await shop.apply([
        { ...policy, metadata: { name: 'deployed' }, spec: { ...policy.spec, target: deployment } },
        runOf('deployed', 'deployed', 'shop'),
      ]);
      await eventually(() => expect(whatWasAsked()).toContain('get deployments.apps'), 60_000, 300);
      await shop.kubectl(['delete', 'backuprun', 'deployed', '--timeout=120s']);
      const again = await shop.heldCopy('again');
      await shop.backUp('deleted', { database: 'again' });
      await eventually(() => shop.dumpWaits('again'), 90_000, 300);
      await shop.kubectl(['delete', 'backuprun', 'deleted', '--timeout=120s']);
      await again.letGo();
      expect(await shop.tasksLeft()).not.toContain(`job.batch/${attemptTask('deleted', 1)}`);

      // The same news twice is one event with a count.
      for (const suspend of [true, false, true]) {
        await shop.kubectl(['patch', 'bp', 'shop', '--type=merge', '-p', JSON.stringify({ spec: { suspend } })]);
        const reason = suspend ? 'Suspended' : 'Scheduled';
        await shop.kubectl([
          'wait',
          'bp/shop',
          '--timeout=60s',
          `--for=jsonpath={.status.conditions[0].reason}=${reason}`,
        ]);
      }
      await eventually(() => expect(whatWasAsked()).toContain('patch events.events.k8s.io'), 60_000, 300);

      // What is not in memory is asked for: a policy that is not there, a grant that went while its status was written.
      await shop.apply([runOf('astray', 'no-such-policy', 'shop')]);
      await eventually(() => expect(whatWasAsked()).toContain('get backuppolicies.backstay.dev'), 60_000, 300);
      const write = proxy.holdNext('update', 'backupgrants/status');
      await shop.apply(readGrant('short-lived'));
      await write.came;
      await shop.kubectl(['delete', 'backupgrant', 'short-lived']);
      // The operator has heard of it when it knows of what came later.
      await shop.apply(readGrant('later'));
      await shop.kubectl(['wait', '--for=condition=Ready', '--timeout=60s', 'backupgrant/later']);
      write.fail();
      await eventually(() => expect(whatWasAsked()).toContain('get backupgrants.backstay.dev'), 60_000, 300);

      expect(proxy.asked.filter(({ status }) => status === 403)).toEqual([]);
    },
    2 * patienceMs,
  );

  it('hold nothing that it never asks for', () => {
    const asked = whatWasAsked();
    const unused = rules
      .flatMap(({ apiGroups: [group = ''], resources, verbs }) =>
        resources.flatMap((resource) => verbs.map((verb) => sentence(verb, resource, group))),
      )
      .filter((right) => !asked.includes(right));
    expect(unused).toEqual([]);
  });
});

const sentence = (verb: string, resource: string, apiGroup: string): string =>
  `${verb} ${resource}${apiGroup === '' ? '' : `.${apiGroup}`}`;

function whatWasAsked(): string[] {
  return [...new Set(proxy.asked.map(({ verb, resource, apiGroup }) => sentence(verb, resource, apiGroup)))].sort();
}

const claim = (name: string) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
});

function readGrant(name: string) {
  const [grant] = readManifests('examples/kubernetes/grant.yaml');
  return [{ ...grant!, metadata: { name } }];
}

function runOf(name: string, policyName: string, database: string) {
  const [example] = readManifests('examples/kubernetes/run.yaml');
  return {
    ...example!,
    metadata: { name },
    spec: { ...(example!['spec'] as object), policyName, dump: { databases: [database] } },
  };
}
