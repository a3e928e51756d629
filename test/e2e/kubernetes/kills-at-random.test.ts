import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chance } from '../../harness/chance.ts';
import { bringUpCluster, type SettledCluster } from '../../harness/cluster/cluster.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { kindsOnly, LocalOperator } from '../../harness/kubernetes-operator.ts';
import { Playground, readManifests } from '../../harness/kubernetes-shop.ts';
import { makeShop } from '../../harness/shop.ts';
import { expectOneBackup, expectOneRestore } from './after-kills.ts';

// The first run on a machine builds Kubernetes from source.
const coldMs = 30 * 60_000;
const patienceMs = 240_000;

/** Another number, other moments. */
const seed = 20_261_121;
const killCount = 20;
const backups = ['one', 'two', 'three'];
const restores = ['back-one', 'back-two'];

describe(`an operator that is killed with -9 at ${killCount} random moments, seed ${seed}`, () => {
  let cluster: SettledCluster;
  let shop: Playground;
  let operator: LocalOperator | undefined;
  const start = (): LocalOperator => {
    const timings = { recheck: '1s', retryOnce: '1s', retryBackoff: '2s', inspectAgain: '1s' };
    return new LocalOperator(cluster, [], { namespaces: [shop.namespace], timings });
  };

  beforeAll(async () => {
    cluster = await bringUpCluster({ tell: tellOnStderr });
    await kindsOnly(cluster);
    shop = new Playground(cluster, `random-${process.pid}`);
    await shop.start();
    await makeShop(shop);
    operator = start();
    await shop.backUp('whole');
    expect((await shop.waitForEnd('BackupRun', 'whole', patienceMs)).status.failure).toBeUndefined();
    await operator.stop('SIGKILL');

    const [restore] = readManifests('examples/kubernetes/restore.yaml');
    const { target } = restore!['spec'] as { target: object };
    for (const name of restores) {
      await shop.query(`CREATE DATABASE "${name}" TEMPLATE template0`);
      const own = { ...target, service: await shop.nameServer(name), database: name };
      const spec = { source: { runName: 'whole' }, target: own };
      await shop.apply([{ ...restore!, metadata: { name }, spec }]);
    }
    for (const name of backups) await shop.backUp(name);
    const random = chance(seed);
    for (let kill = 0; kill < killCount; kill += 1) {
      operator = start();
      // From before it has read its configuration to in the middle of its work.
      await new Promise((resolve) => setTimeout(resolve, 300 + random() * 2_500));
      await operator.stop('SIGKILL');
    }
    operator = start();
  }, coldMs);

  afterAll(async () => {
    await shop?.stop();
    await operator?.stop();
  }, patienceMs);

  it.each(backups)(
    'backup %s: one manifest, one Job for each attempt, a true status',
    (name) => expectOneBackup(shop, name, patienceMs),
    patienceMs,
  );

  it.each(restores)(
    'restore %s: one Job, every row',
    (name) => expectOneRestore(shop, name, name, patienceMs),
    patienceMs,
  );

  it(
    'leaves no Job and no pod',
    () => eventually(async () => expect(await shop.tasksLeft()).toEqual([]), 60_000, 500),
    90_000,
  );
});
