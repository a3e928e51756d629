import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackupRunStatus } from '../../../src/api/backup-run.ts';
import { conditionsIn } from '../../../src/cluster/conditions.ts';
import { attemptTask } from '../../../src/operator/task-name.ts';
import { bringUpCluster, type SettledCluster } from '../../harness/cluster/cluster.ts';
import { kubectl, kubectlApply } from '../../harness/cluster/kubectl.ts';
import { pauseImage } from '../../harness/cluster/part-images.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { kindsOnly, LocalOperator } from '../../harness/kubernetes-operator.ts';
import { Playground, readManifests } from '../../harness/kubernetes-shop.ts';
import { makeShop } from '../../harness/shop.ts';
import type { EndedObject } from '../../harness/standalone.ts';

// The first run on a machine builds Kubernetes from source.
const coldMs = 30 * 60_000;
const patienceMs = 240_000;

let cluster: SettledCluster;
let shop: Playground;
let operator: LocalOperator;
const ends = new Map<string, Promise<EndedObject>>();

/** What goes wrong with the pods of one run, and how the run ends. */
interface Case {
  /** What follows "when". */
  when: string;
  spec?: object;
  target?: object;
  database?: string;
  before?(): Promise<void>;
  /** What is done when pg_dump works in the pod of the first attempt. */
  strike?(pod: string, task: string): Promise<unknown>;
  /** What its condition says while it waits, and what is done then. */
  waits?: { reason: string; message: RegExp; relieve?(): Promise<void> };
  after?(): Promise<void>;
  outcomes: string[];
  message?: RegExp;
}

const nameOf = ({ when }: Case): string => when.replaceAll(/[^a-z]+/g, '-');
const soon = { startingDeadline: '45s' };
const credentials = (backup: object): object => ({ credentials: { backup } });
// Text of twice its size on the way to pg_dump, which holds the whole row.
const longRow = `CREATE TABLE long AS SELECT decode(repeat('ab', 60000000), 'hex') AS row`;

// A node that no kubelet runs.
const elsewhere = `nowhere-${process.pid}`;
const bound = new RegExp(`must run where pod holder on node ${elsewhere} uses claim "held"`);

const cases: Case[] = [
  {
    when: 'an image cannot be pulled',
    spec: { ...soon, toolImages: { dump: 'localhost/no-such:1' } },
    waits: { reason: 'ImageUnavailable', message: /no-such/ },
    outcomes: ['ImageUnavailable'],
    message: /did not begin within 45s: image localhost\/no-such:1/,
  },
  {
    when: 'an image has no sh',
    spec: { ...soon, toolImages: { dump: pauseImage.name } },
    waits: { reason: 'ImageUnavailable', message: /does not start.*"sh"/ },
    outcomes: ['ImageUnavailable'],
    message: /"sh".*not found/,
  },
  {
    when: 'an image is not allowed',
    spec: { toolImages: { dump: 'busybox:1' } },
    outcomes: ['ImageNotAllowed'],
    message: /image busybox:1 is not allowed here; allowed are postgres, localhost/,
  },
  {
    when: 'no node has the labels',
    spec: { ...soon, jobs: { nodeSelector: { disk: 'golden' } } },
    waits: { reason: 'Unschedulable', message: /node affinity\/selector/ },
    outcomes: ['Unschedulable'],
    message: /did not begin within 45s/,
  },
  {
    when: 'a limit is below its request',
    spec: { jobs: { resources: { agent: { requests: { cpu: '2' }, limits: { cpu: '1' } } } } },
    outcomes: ['PodRefused'],
    message: /must be less than or equal to cpu limit/,
  },
  {
    when: 'the claim of the store is not there',
    spec: { ...soon, stores: [{ name: 'main', filesystem: { claimName: 'nobodys' } }] },
    waits: { reason: 'Unschedulable', message: /"nobodys" not found/ },
    outcomes: ['Unschedulable'],
  },
  {
    when: 'the claim of the store is used on another node',
    spec: { ...soon, stores: [{ name: 'main', filesystem: { claimName: 'held' } }] },
    before: async () => {
      await shop.apply([claim('held'), claimHolder('holder', elsewhere, 'held')]);
      await kubectlApply([{ apiVersion: 'v1', kind: 'Node', metadata: { name: elsewhere } }], cluster);
    },
    waits: { reason: 'Unschedulable', message: bound },
    after: async () => {
      await shop.kubectl(['delete', 'pod', 'holder', '--force', '--grace-period=0', '--ignore-not-found']);
      await kubectl(['delete', 'node', elsewhere, '--ignore-not-found'], { cluster });
    },
    outcomes: ['Unschedulable'],
    message: bound,
  },
  {
    when: 'the workload does not run',
    spec: soon,
    target: { workload: { kind: 'StatefulSet', name: 'asleep' } },
    before: () => shop.apply([workload('asleep', 0)]),
    waits: { reason: 'WorkloadNotRunning', message: /no pod of StatefulSet asleep/ },
    outcomes: ['WorkloadNotRunning'],
  },
  {
    when: 'a secret lacks a key',
    spec: soon,
    target: credentials({ secretName: 'shop-backup', passwordKey: 'pass' }),
    waits: { reason: 'SecretMissing', message: /secret "shop-backup" has no key "pass"/ },
    outcomes: ['SecretMissing'],
  },
  {
    when: 'a secret comes late',
    target: credentials({ secretName: 'late' }),
    waits: {
      reason: 'SecretMissing',
      message: /there is no secret "late"/,
      relieve: () => shop.putSecret('late', { username: 'backstay_backup', password: 'backup-password' }),
    },
    outcomes: ['Succeeded'],
  },
  {
    when: 'a pull secret that nobody needs is missing',
    spec: { jobs: { imagePullSecrets: [{ name: 'nobodys' }] } },
    outcomes: ['Succeeded'],
  },
  {
    when: 'the agent runs out of memory',
    spec: { jobs: { resources: { agent: { limits: { memory: '24Mi' } } } } },
    outcomes: ['AgentLost'],
    message: /OOMKilled/,
  },
  {
    when: 'the tool runs out of memory in mid stream',
    spec: { jobs: { resources: { tool: { limits: { memory: '48Mi' } } } } },
    database: 'long',
    before: async () => {
      await shop.query('CREATE DATABASE long TEMPLATE shop');
      await shop.query(longRow, { database: 'long' });
      await shop.query('GRANT SELECT ON long TO backstay_backup', { database: 'long' });
    },
    outcomes: ['ToolLost', 'ToolLost'],
  },
  {
    when: 'the pod is evicted',
    database: 'evicted',
    strike: (pod) => {
      const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod } };
      const path = `/api/v1/namespaces/${shop.namespace}/pods/${pod}/eviction`;
      return shop.kubectl(['create', '--raw', path, '-f', '-'], JSON.stringify(eviction));
    },
    outcomes: ['AgentLost', 'Succeeded'],
  },
  {
    when: 'the job is deleted by hand',
    database: 'unjobbed',
    strike: (_pod, task) => shop.kubectl(['delete', 'job', task, '--wait=false']),
    outcomes: ['AgentLost', 'Succeeded'],
  },
];

/** As the server's, but for its name and its size. */
function workload(name: string, replicas: number) {
  const labels = { app: name };
  const container = {
    name: 'postgres',
    image: 'postgres:18',
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  };
  const securityContext = { runAsNonRoot: true, runAsUser: 999, seccompProfile: { type: 'RuntimeDefault' } };
  const template = { metadata: { labels }, spec: { securityContext, containers: [container] } };
  const spec = { serviceName: name, replicas, selector: { matchLabels: labels }, template };
  return { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name }, spec };
}

const claim = (name: string) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
});

/** A pod that has a claim on a node, whether that node runs it or not. */
function claimHolder(name: string, nodeName: string, claimName: string) {
  const { spec } = workload(name, 0);
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName } }];
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { ...spec.template.spec, nodeName, volumes } };
}

/** Runs of one server go one at a time, so each has the server under a name of its own. */
async function backUp(name: string, { spec = {}, target = {}, database = 'shop' }: Partial<Case> = {}): Promise<void> {
  const ports = [{ port: 5432 }];
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { selector: { app: 'shop-postgres' }, ports },
  };
  await shop.apply([service]);
  const { target: example } = shop.policy()['spec'] as { target: object };
  await shop.backUp(name, { database, spec: { target: { ...example, service: name, ...target }, ...spec } });
}

async function suffer(one: Case): Promise<EndedObject> {
  const name = nameOf(one);
  await one.before?.();
  try {
    const held = one.strike === undefined ? undefined : await shop.heldCopy(one.database!);
    try {
      await backUp(name, one);
      if (one.strike !== undefined) {
        const task = attemptTask(name, 1);
        const pod = await eventually(() => shop.runningPod(task), patienceMs, 500);
        await eventually(() => shop.dumpWaits(one.database!), patienceMs, 500);
        await one.strike(pod, task);
      }
    } finally {
      await held?.letGo();
    }
    if (one.waits !== undefined) {
      const { reason, message } = one.waits;
      await eventually(() => says(name, reason, message), patienceMs, 300);
      await one.waits.relieve?.();
    }
    return await shop.waitForEnd('BackupRun', name, patienceMs);
  } finally {
    await one.after?.();
  }
}

/** Throws while the run does not say what it waits for, or when it has ended without. */
async function says(name: string, reason: string, message: RegExp): Promise<void> {
  const ready = conditionsIn((await shop.get('BackupRun', name)).status).find(({ type }) => type === 'Ready');
  expect(ready).toMatchObject({ status: 'False', reason, message: expect.stringMatching(message) });
}

const statusOf = async (name: string): Promise<BackupRunStatus> =>
  (await shop.get('BackupRun', name)).status as BackupRunStatus;

beforeAll(async () => {
  cluster = await bringUpCluster({ tell: tellOnStderr });
  await kindsOnly(cluster);
  shop = new Playground(cluster, `pods-${process.pid}`);
  await shop.start();
  await makeShop(shop);
  await shop.apply([{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'tasks' } }]);
  operator = new LocalOperator(cluster, [], {
    namespaces: [shop.namespace],
    timings: { recheck: '1s', progress: '1s', retryOnce: '1s', retryBackoff: '2s', inspectAgain: '1s' },
    jobs: { allowedImages: ['postgres', 'localhost/*'], serviceAccountName: 'tasks' },
  });
  if (cluster.way !== 'one machine') return;
  // All at once: each waits for its own pods, and the cluster has room for them all.
  for (const one of cases) {
    const end = suffer(one);
    end.catch(() => {});
    ends.set(one.when, end);
  }
}, coldMs);

afterAll(async () => {
  shop?.lookForSecrets('log of the operator', operator?.log ?? '');
  await shop?.stop();
  await operator?.stop();
}, patienceMs);

describe('a backup', () => {
  it.each(cases)(
    'when $when: $outcomes',
    async (one) => {
      if (cluster.way !== 'one machine') return;
      const { status } = (await ends.get(one.when))!;
      const succeeds = one.outcomes.includes('Succeeded');
      expect(status.attempts).toMatchObject(one.outcomes.map((outcome, at) => ({ number: at + 1, outcome })));
      expect(status.phase).toBe(succeeds ? 'Succeeded' : 'Failed');
      if (!succeeds) {
        const message = expect.stringMatching(one.message ?? /./);
        expect(status.failure).toMatchObject({ reason: one.outcomes.at(-1), message });
      }
      expect(await shop.manifests(`own/${nameOf(one)}`)).toHaveLength(succeeds ? 1 : 0);
    },
    patienceMs,
  );

  it(
    'uses the image of the workload as an ordinary user, whatever user the image wants, and says how far it is',
    async () => {
      const { letGo } = await shop.heldCopy('held');
      try {
        await backUp('held', { database: 'held' });
        const pod = await eventually(() => shop.runningPod(attemptTask('held', 1)), patienceMs, 300);
        await eventually(async () => {
          const { progress, attempts } = await statusOf('held');
          expect(progress).toMatchObject({
            step: 'dump',
            plainBytes: expect.any(Number),
            summary: expect.stringMatching(/^dump/),
          });
          expect(attempts).toMatchObject([{ toolImage: expect.stringMatching(/postgres(:18|@sha256:[0-9a-f]{64})$/) }]);
        }, patienceMs);
        expect((await shop.kubectl(['exec', pod, '-c', 'tool', '--', 'id', '-u'])).trim()).toBe('65532');
        const { spec } = JSON.parse(await shop.kubectl(['get', 'pod', pod, '-o', 'json'])) as {
          spec: { serviceAccountName: string };
        };
        expect(spec.serviceAccountName).toBe('tasks');
        // A token would be a projected volume.
        expect(JSON.stringify(spec)).not.toContain('"projected"');
      } finally {
        await letGo();
      }
      expect((await shop.waitForEnd('BackupRun', 'held', patienceMs)).status.phase).toBe('Succeeded');
      expect(await statusOf('held')).not.toHaveProperty('progress');
    },
    patienceMs,
  );

  it(
    'goes to a volume claim and comes back from there',
    async () => {
      if (cluster.way !== 'one machine') return;
      await shop.apply([claim('backups')]);
      const stores = [{ name: 'main', filesystem: { claimName: 'backups' } }];
      await backUp('near', { spec: { stores } });
      expect((await shop.waitForEnd('BackupRun', 'near', patienceMs)).status.phase).toBe('Succeeded');
      await shop.query('CREATE DATABASE "from-claim"');
      const [restore] = readManifests('examples/kubernetes/restore.yaml');
      const { target } = restore!['spec'] as { target: object };
      const request = { source: { runName: 'near' }, target: { ...target, database: 'from-claim' } };
      await shop.apply([{ ...restore!, metadata: { name: 'from-claim' }, spec: request }]);
      const restored = await shop.waitForEnd('RestoreRequest', 'from-claim', patienceMs);
      expect(restored.status).toMatchObject({ phase: 'Succeeded', task: { toolImage: expect.any(String) } });
    },
    patienceMs,
  );

  it(
    'leaves no Job and no pod',
    () => eventually(async () => expect(await shop.tasksLeft()).toEqual([]), patienceMs, 500),
    patienceMs,
  );
});
