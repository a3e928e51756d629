// `npm run demo:cluster`: the same story on a real Kubernetes node. The operator runs in the cluster by the chart, from the
// project's Dockerfile; backup and restore are Jobs. `--kubeconfig FILE` uses a cluster of yours, `--keep` leaves it all running.
import { parseArgs } from 'node:util';
import { bringUpCluster } from '../test/harness/cluster/cluster.ts';
import { Unavailable } from '../test/harness/cluster/unavailable.ts';
import { installOperator } from '../test/harness/kubernetes-operator.ts';
import { Playground, readManifests } from '../test/harness/kubernetes-shop.ts';
import { drawPortrait } from '../test/harness/portrait.ts';
import { makeShop } from '../test/harness/shop.ts';
import { Story } from './story.ts';

const { values } = parseArgs({
  options: {
    report: { type: 'string' },
    kubeconfig: { type: 'string' },
    context: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const story = new Story('kubernetes');
let playground: Playground | undefined;
let failure: unknown;
try {
  await tell();
} catch (thrown) {
  failure = thrown;
} finally {
  if (!values.keep) await playground?.stop();
}
process.exitCode = story.end(values.report, failure);
if (failure instanceof Unavailable && process.env['CI'] !== 'true') process.exitCode = 3;

async function tell(): Promise<void> {
  const { kubeconfig, context } = values;
  const cluster = await story.chapter('cluster', 'Bring up a cluster', () =>
    bringUpCluster({
      tell: (line) => story.say(`  ${line}`),
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
    }),
  );
  story.report.versions['cluster'] = cluster.way;
  await story.chapter('operator', 'Install the chart with its default values', () => installOperator(cluster));

  const shop = new Playground(cluster, 'backstay-demo');
  playground = shop;
  const before = await story.chapter(
    'server',
    'Start PostgreSQL and S3 as pods, fill a shop, draw its portrait',
    async () => {
      await shop.stop();
      await shop.start();
      await makeShop(shop);
      return drawPortrait(shop.connection('shop'));
    },
  );
  story.report.versions['server'] = before.version;

  const run = await story.chapter(
    'backup',
    'Apply examples/kubernetes/policy.yaml; its schedule makes the first backup',
    async () => {
      await shop.apply([shop.policy()]);
      const name = await shop.firstRun();
      story.say(`  the schedule made the run ${name}`);
      story.tellBackup(await shop.waitForEnd('BackupRun', name), 'in S3 by a Job');
      return name;
    },
  );

  await story.chapter('disaster', 'DROP DATABASE shop', async () => {
    await shop.query('DROP DATABASE shop WITH (FORCE)');
    await shop.query('CREATE DATABASE shop TEMPLATE template0');
    story.say('  gone; an empty database of that name is all there is');
  });

  await story.chapter('restore', 'Apply examples/kubernetes/restore.yaml', async () => {
    const manifests = readManifests('examples/kubernetes/restore.yaml');
    await shop.apply(manifests);
    story.tellRestore(await shop.waitForEnd('RestoreRequest', manifests[0]?.metadata.name ?? ''), run);
  });

  await story.chapter('compare', 'Compare with the portrait', async () =>
    story.judge(before, await drawPortrait(shop.connection('shop'))),
  );
  story.say(
    `\n  kubectl --kubeconfig ${cluster.kubeconfigPath} is the way in; npm run cluster -- down ends the cluster`,
  );
}
