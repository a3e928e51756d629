import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { attemptTask } from '../../../src/operator/task-name.ts';
import { bringUpCluster, type SettledCluster } from '../../harness/cluster/cluster.ts';
import { type NodeProgram, startProgram, stopProgram } from '../../harness/cluster/faults.ts';
import { kubectl } from '../../harness/cluster/kubectl.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { kindsOnly, LocalOperator } from '../../harness/kubernetes-operator.ts';
import { Playground } from '../../harness/kubernetes-shop.ts';
import { makeShop } from '../../harness/shop.ts';

// The first run on a machine builds Kubernetes from source.
const coldMs = 30 * 60_000;
const patienceMs = 180_000;

let cluster: SettledCluster;
let shop: Playground;
let operator: LocalOperator;

beforeAll(async () => {
  cluster = await bringUpCluster({ tell: tellOnStderr });
  await kindsOnly(cluster);
  shop = new Playground(cluster, `outages-${process.pid}`);
  await shop.start();
  await makeShop(shop);
  operator = new LocalOperator(cluster, [], {
    namespaces: [shop.namespace],
    timings: { recheck: '1s', retryOnce: '1s', retryBackoff: '2s', inspectAgain: '1s' },
  });
}, coldMs);

afterAll(async () => {
  shop?.lookForSecrets('log of the operator', operator?.log ?? '');
  // The operator last: it lets the runs go that the namespace takes with it.
  await shop?.stop();
  await operator?.stop();
}, patienceMs);

/** Begins a backup that stands in the middle of its dump until it is let go. */
async function inMidRun(run: string): Promise<{ pod: string; letGo(): Promise<void> }> {
  const held = await shop.heldCopy(run);
  await shop.backUp(run, { database: run });
  const pod = await eventually(() => shop.runningPod(attemptTask(run, 1)), patienceMs, 300);
  await eventually(() => shop.dumpWaits(run), patienceMs, 300);
  return { pod, letGo: held.letGo };
}

/** The agent has nothing more to do with the server: from here it needs the store only. */
async function sessionsGone(): Promise<void> {
  await eventually(
    async () => {
      expect(await shop.query(`SELECT FROM pg_stat_activity WHERE usename = 'backstay_backup'`)).toEqual([]);
    },
    patienceMs,
    300,
  );
}

async function expectOneBackup(run: string): Promise<void> {
  const { status } = await shop.waitForEnd('BackupRun', run, patienceMs);
  expect(status).toMatchObject({ phase: 'Succeeded', attempts: [{ number: 1, outcome: 'Succeeded' }] });
  expect(await shop.manifests(`own/${run}`)).toHaveLength(1);
  expect((await shop.jobsThatRan()).filter((job) => job === attemptTask(run, 1))).toHaveLength(1);
  expect(operator.isAlive).toBe(true);
}

const apiAnswers = (): Promise<string> =>
  eventually(() => kubectl(['get', '--raw', '/readyz'], { cluster, timeoutMs: 10_000 }), patienceMs, 300);

describe('a backup in mid run, when a program of the cluster goes', () => {
  it.each<{ program: NodeProgram }>([{ program: 'kube-apiserver' }, { program: 'etcd' }, { program: 'kubelet' }])(
    '$program: goes on without it, and ends in one backup when it is back',
    async ({ program }) => {
      if (cluster.way !== 'one machine') return;
      const run = `without-${program}`;
      const { letGo } = await inMidRun(run);
      await stopProgram(program);
      try {
        await letGo();
        await sessionsGone();
      } finally {
        startProgram(program);
      }
      await apiAnswers();
      await expectOneBackup(run);
    },
    patienceMs,
  );
});

describe('an operator that stood still while its backup ended', () => {
  it(
    'finds the manifest of a pod that took its last words with it',
    async () => {
      const { pod, letGo } = await inMidRun('wordless');
      operator.pause();
      try {
        await letGo();
        await shop.kubectl(['wait', `pod/${pod}`, '--for=jsonpath={.status.phase}=Succeeded', '--timeout=120s']);
        await shop.kubectl(['delete', 'pod', pod, '--force', '--grace-period=0']);
      } finally {
        operator.resume();
      }
      await expectOneBackup('wordless');
      const { status } = await shop.waitForEnd('BackupRun', 'wordless');
      expect(status.attempts).toMatchObject([{ inspection: { number: 1 } }]);
    },
    patienceMs,
  );
});
