import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { backupRunSteps } from '../../../src/operator/backup-run/steps.ts';
import { restoreRequestSteps } from '../../../src/operator/restore-request/steps.ts';
import { bringUpCluster, type SettledCluster } from '../../harness/cluster/cluster.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { dieAtEach, kindsOnly, LocalOperator } from '../../harness/kubernetes-operator.ts';
import { Playground, readManifests } from '../../harness/kubernetes-shop.ts';
import { makeShop } from '../../harness/shop.ts';
import { expectOneBackup, expectOneRestore } from './after-kills.ts';

// The first run on a machine builds Kubernetes from source.
const coldMs = 30 * 60_000;
const patienceMs = 180_000;

let cluster: SettledCluster;

beforeAll(async () => {
  cluster = await bringUpCluster({ tell: tellOnStderr });
  await kindsOnly(cluster);
}, coldMs);

const runs = backupRunSteps.map(({ name: step }) => ({ step, name: `backup-${step}` }));
const requests = restoreRequestSteps.map(({ name: step }) => ({ step, name: `restore-${step}` }));
const databaseOf = (name: string): string => name.replaceAll('-', '_');

// One operator looks after them all at once: it dies at each step of the table, each time with another object.
describe('an operator that is killed with -9 exactly where it begins a step', () => {
  let shop: Playground;
  let operator: LocalOperator | undefined;

  beforeAll(async () => {
    shop = new Playground(cluster, `steps-${process.pid}`);
    await shop.start();
    await makeShop(shop);
    const settings = { namespaces: [shop.namespace] };
    operator = new LocalOperator(cluster, [], settings);
    await shop.backUp('whole');
    expect((await shop.waitForEnd('BackupRun', 'whole')).status.failure).toBeUndefined();
    await operator.stop();
    const [restore] = readManifests('examples/kubernetes/restore.yaml');
    const { target } = restore!['spec'] as { target: object };
    for (const { name } of requests) {
      await shop.query(`CREATE DATABASE ${databaseOf(name)} TEMPLATE template0`);
      const own = { ...target, service: await shop.nameServer(name), database: databaseOf(name) };
      const spec = { source: { runName: 'whole' }, target: own };
      await shop.apply([{ ...restore!, metadata: { name }, spec }]);
    }
    for (const { name } of runs) await shop.backUp(name);
    const deaths = [...runs, ...requests].map(({ step, name }) => ({ step, object: `${shop.namespace}/${name}` }));
    operator = await dieAtEach(cluster, deaths, settings, patienceMs);
  }, coldMs);

  afterAll(async () => {
    await shop?.stop();
    await operator?.stop();
  }, patienceMs);

  it.each(runs)(
    '$step: goes on to one manifest, with one Job',
    ({ name }) => expectOneBackup(shop, name, patienceMs),
    patienceMs,
  );

  it.each(requests)(
    '$step: goes on to one restore, with one Job',
    ({ name }) => expectOneRestore(shop, name, databaseOf(name), patienceMs),
    patienceMs,
  );

  it(
    'leaves no Job and no pod',
    () => eventually(async () => expect(await shop.tasksLeft()).toEqual([]), 60_000, 500),
    90_000,
  );
});
