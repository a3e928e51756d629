import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { attemptTask } from '../../../src/operator/task-name.ts';
import { bringUpCluster, type SettledCluster } from '../../harness/cluster/cluster.ts';
import { visibleIn } from '../../harness/cluster/faults.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { kindsOnly, LocalOperator } from '../../harness/kubernetes-operator.ts';
import { Playground, readManifests } from '../../harness/kubernetes-shop.ts';
import { makeShop } from '../../harness/shop.ts';

// The first run on a machine builds Kubernetes from source.
const coldMs = 30 * 60_000;
const patienceMs = 180_000;

let cluster: SettledCluster;
let shop: Playground;
let doomed: Playground;
let operator: LocalOperator;

beforeAll(async () => {
  cluster = await bringUpCluster({ tell: tellOnStderr });
  await kindsOnly(cluster);
  shop = new Playground(cluster, `everyday-${process.pid}`);
  doomed = new Playground(cluster, `doomed-${process.pid}`);
  await Promise.all([shop.start(), doomed.start()]);
  await Promise.all([makeShop(shop), makeShop(doomed)]);
  operator = new LocalOperator(cluster, [], {
    namespaces: [shop.namespace, doomed.namespace],
    timings: { recheck: '1s', retryOnce: '1s', retryBackoff: '2s', inspectAgain: '1s' },
  });
}, coldMs);

afterAll(async () => {
  shop?.lookForSecrets('log of the operator', operator?.log ?? '');
  // The operator last: it lets the runs go that the namespace takes with it.
  await Promise.all([shop?.stop(), doomed?.stop()]);
  await operator?.stop();
}, patienceMs);

async function inMidRun(place: Playground, run: string): Promise<{ letGo(): Promise<void> }> {
  const held = await place.heldCopy(run);
  await place.backUp(run, { database: run });
  await eventually(() => place.runningPod(attemptTask(run, 1)), patienceMs, 300);
  await eventually(() => place.dumpWaits(run), patienceMs, 300);
  return held;
}

const restoreOf = (name: string, source: object, database: string): ReturnType<typeof readManifests>[number] => {
  const [example] = readManifests('examples/kubernetes/restore.yaml');
  const { target } = example!['spec'] as { target: object };
  return { ...example!, metadata: { name }, spec: { source, target: { ...target, database } } };
};

describe('what people do to a cluster in a day', () => {
  it(
    'a namespace is deleted in mid run: it goes, and does not hang',
    async () => {
      const { letGo } = await inMidRun(doomed, 'doomed');
      try {
        await doomed.kubectl(['delete', 'namespace', doomed.namespace, '--wait=false']);
        await doomed.kubectl(['wait', 'backuprun/doomed', '--for=delete', '--timeout=120s']);
      } finally {
        await letGo();
      }
      await doomed.kubectl(['wait', `namespace/${doomed.namespace}`, '--for=delete', '--timeout=120s']);
    },
    patienceMs,
  );

  it(
    'a secret is rotated in mid run: this run goes on with the old one, the next one takes the new one',
    async () => {
      const { letGo } = await inMidRun(shop, 'rotated');
      await shop.query(`ALTER ROLE backstay_backup PASSWORD 'rotated-password'`);
      await shop.putSecret('shop-backup', { username: 'backstay_backup', password: 'rotated-password' });
      await letGo();
      expect((await shop.waitForEnd('BackupRun', 'rotated', patienceMs)).status.phase).toBe('Succeeded');
      await shop.backUp('after-rotation');
      expect((await shop.waitForEnd('BackupRun', 'after-rotation', patienceMs)).status.phase).toBe('Succeeded');
    },
    patienceMs,
  );

  it(
    'somebody looks for secrets in the command lines, environments and logs of a task: there are none',
    async () => {
      if (cluster.way !== 'one machine') return;
      const { letGo } = await inMidRun(shop, 'looked-at');
      const pod = await shop.runningPod(attemptTask('looked-at', 1));
      for (const container of ['agent', 'tool']) {
        const seen = await visibleIn({ namespace: shop.namespace, pod, container });
        // pg_dump runs in the one, node in the other: else nothing would have been looked at.
        expect(seen.join('\n')).toContain(container === 'agent' ? 'agent --root' : 'pg_dump');
        for (const text of seen) shop.lookForSecrets(`processes of ${container}`, text);
      }
      const logs = shop.kubectl(['logs', '-f', pod, '--all-containers']);
      await letGo();
      const text = await logs;
      expect(text).toContain('"step":"commit"');
      shop.lookForSecrets('log of the task', text);
      expect((await shop.waitForEnd('BackupRun', 'looked-at', patienceMs)).status.phase).toBe('Succeeded');
      // `stop` tells what was found.
    },
    patienceMs,
  );

  it(
    'a policy is deleted and applied again: the data stayed, and it finds its history',
    async () => {
      await shop.backUp('lasting');
      const run = await shop.waitForEnd('BackupRun', 'lasting', patienceMs);
      const { consistentAt } = run.status.set as unknown as { consistentAt: string };
      const known = (): Promise<void> =>
        eventually(
          async () => {
            const policy = await shop.get('BackupPolicy', 'lasting');
            expect(policy.status).toMatchObject({ lastSuccess: { run: 'lasting', time: consistentAt } });
          },
          patienceMs,
          300,
        );
      await known();
      await shop.kubectl(['delete', 'backuppolicy', 'lasting', '--timeout=60s']);
      expect(await shop.manifests('own/lasting')).toHaveLength(1);
      await shop.apply([
        shop.policy({ name: 'lasting', spec: { stores: [shop.store('own/lasting')], schedules: [] } }),
      ]);
      await known();
      await shop.query('CREATE DATABASE again TEMPLATE template0');
      await shop.apply([restoreOf('again', { policyName: 'lasting' }, 'again')]);
      const ended = await shop.waitForEnd('RestoreRequest', 'again', patienceMs);
      expect(ended.status).toMatchObject({ phase: 'Succeeded', source: { run: 'lasting' } });
    },
    patienceMs,
  );

  it(
    'a GitOps tool applies the same manifest again and again: nothing changes, and the status does not flap',
    async () => {
      const manifest = shop.policy({
        name: 'gitops',
        spec: { stores: [shop.store('own/gitops')], schedules: [], compression: { algorithm: 'Zstd' } },
      });
      await shop.apply([manifest]);
      const settled = await eventually(
        async () => {
          const policy = await shop.get('BackupPolicy', 'gitops');
          expect(policy.status).toMatchObject({ observedGeneration: 1 });
          return policy;
        },
        patienceMs,
        300,
      );
      for (let time = 0; time < 10; time += 1) {
        await shop.apply([manifest]);
        const { metadata, status } = await shop.get('BackupPolicy', 'gitops');
        expect([metadata.resourceVersion, metadata.generation, status]).toEqual([
          settled.metadata.resourceVersion,
          1,
          settled.status,
        ]);
      }
    },
    patienceMs,
  );

  it(
    'the store is away: the run says so and fails, and the next one succeeds when it is back',
    async () => {
      await shop.kubectl(['scale', 'deployment/s3', '--replicas=0']);
      await shop.kubectl(['wait', 'pod', '-l', 'app=s3', '--for=delete', '--timeout=60s']);
      await shop.backUp('storeless');
      const { status } = await shop.waitForEnd('BackupRun', 'storeless', patienceMs);
      expect(status).toMatchObject({ phase: 'Failed', failure: { reason: 'StoreUnreachable' } });
      expect(status.attempts).toHaveLength(2);
      await shop.kubectl(['scale', 'deployment/s3', '--replicas=1']);
      await shop.kubectl(['rollout', 'status', 'deployment/s3', '--timeout=60s']);
      // The playground's store lives with its pod: a new one is empty.
      await shop.backUp('store-back');
      expect((await shop.waitForEnd('BackupRun', 'store-back', patienceMs)).status.phase).toBe('Succeeded');
    },
    patienceMs * 2,
  );
});
