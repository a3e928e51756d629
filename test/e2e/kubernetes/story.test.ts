import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bringUpCluster, type SettledCluster } from '../../harness/cluster/cluster.ts';
import { kubectl } from '../../harness/cluster/kubectl.ts';
import { checkoutDir } from '../../harness/cluster/paths.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { kubectlCommands, readersShell } from '../../harness/kubectl-commands.ts';
import { installOperator, operatorLog } from '../../harness/kubernetes-operator.ts';
import { Playground, readManifests } from '../../harness/kubernetes-shop.ts';
import { comparePortraits, drawPortrait } from '../../harness/portrait.ts';
import { backupRole, makeShop } from '../../harness/shop.ts';

// The first run on a machine builds Kubernetes from source.
const coldMs = 30 * 60_000;
const patienceMs = 180_000;

let cluster: SettledCluster;
let shop: Playground;
const place = mkdtempSync(join(tmpdir(), 'backstay-story-'));

beforeAll(async () => {
  cluster = await bringUpCluster({ tell: tellOnStderr });
  await installOperator(cluster);
  shop = new Playground(cluster, `story-${process.pid}`);
  await shop.start();
  await makeShop(shop);
}, coldMs);

afterAll(async () => {
  await shop?.stop('leave');
  rmSync(place, { recursive: true, force: true });
}, patienceMs);

const restoreOf = (name: string, runName: string, database: string): ReturnType<typeof readManifests>[number] => {
  const [example] = readManifests('examples/kubernetes/restore.yaml');
  const { target } = example!['spec'] as { target: object };
  return { ...example!, metadata: { name }, spec: { source: { runName }, target: { ...target, database } } };
};

describe('on a cluster', () => {
  it(
    'what the examples back up comes back equal in every row and definition, by the commands of docs/recovery.md',
    async () => {
      const shell = await readersShell(cluster, {
        directory: place,
        namespace: shop.namespace,
        kubeconfig: join(place, 'kubeconfig'),
      });
      const before = await drawPortrait(shop.connection('shop'));
      await shop.apply([shop.policy()]);
      const run = await shop.firstRun();
      expect((await shop.waitForEnd('BackupRun', run)).status.failure).toBeUndefined();
      await shop.query('DELETE FROM "Orders"', { database: 'shop' });

      const page = readFileSync(join(checkoutDir, 'docs/recovery.md'), 'utf8');
      const block = (language: string, word: string): string =>
        [...page.matchAll(/^ *```(\w+)\n(.*?)^ *```$/gms)].find(
          ([, kind, text]) => kind === language && text?.includes(word),
        )?.[2] ?? '';
      const commands = kubectlCommands('docs/recovery.md').map((line) => line.replace('NAME', run));
      expect(commands).toHaveLength(8);
      const [
        runs = '',
        moment = '',
        apply = '',
        watch = '',
        describeRequest = '',
        remove = '',
        logs = '',
        describeRun = '',
      ] = commands;

      expect(await shell(runs)).toMatch(new RegExp(`${run} .*Succeeded`));
      expect(await shell(moment)).toMatch(/^2\d{3}-.*Z$/);
      for (const sql of ['RENAME', 'CREATE DATABASE']) {
        for (const line of block('sql', sql).trim().split('\n')) await shop.query(line);
      }
      const request = block('yaml', 'RestoreRequest').replaceAll(/^ {3}/gm, '');
      writeFileSync(join(place, 'shop-back.yaml'), request.replace('host: 127.0.0.1', 'service: shop-postgres'));
      await shell(apply);
      // It watches for ever: a person looks at it until the word is there.
      await shop.waitForEnd('RestoreRequest', 'shop-back');
      expect(await shell(`timeout 5 ${watch} || [ $? = 124 ]`)).toMatch(/shop-back .*Succeeded/);
      expect(comparePortraits(before, await drawPortrait(shop.connection('shop')))).toEqual([]);
      expect(await shop.query("SELECT datname FROM pg_database WHERE datname = 'shop_damaged'")).toHaveLength(1);
      expect(await shell(describeRequest)).toContain('20500 rows');
      expect(await shell(describeRun)).toContain('Succeeded');
      expect(await shell(logs)).toContain('"msg":"ready"');
      expect(await shell(remove)).toContain('deleted');
    },
    patienceMs,
  );

  it(
    'the commands in the examples themselves do what they say',
    async () => {
      const namespace = `${shop.namespace}-reader`;
      const directory = checkoutDir;
      const shell = await readersShell(cluster, { directory, namespace, kubeconfig: join(place, 'reader') });
      const commands = kubectlCommands('examples/kubernetes/playground.yaml');
      expect(commands).toHaveLength(1);
      try {
        // The namespace of the example could be somebody's own.
        for (const command of commands) await shell(command.replaceAll(/(namespace|-n) shop\b/g, `$1 ${namespace}`));
        expect(await shell('kubectl get statefulset -o name')).toContain('shop-postgres');
        await shell(
          'kubectl apply --dry-run=server -f examples/kubernetes/policy.yaml -f examples/kubernetes/run.yaml',
        );
      } finally {
        await kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--wait=false'], { cluster });
      }
    },
    patienceMs,
  );
});

// All at once: each waits for its own pods, and the cluster has room for them all.
describe('refused on a cluster', () => {
  const elsewhere = (): string => `${shop.namespace}-copy`;
  const copy = (): Playground => new Playground(cluster, elsewhere());

  beforeAll(async () => {
    const { username } = backupRole;
    await shop.putSecret('wrong-password', { username, password: 'not-the-password' });
    await shop.backUp('wrong-password', { spec: credentials('wrong-password') });
    await shop.backUp('no-secret', { spec: credentials('not-made-yet') });
    await shop.backUp('mine');
    await shop.query('CREATE DATABASE taken TEMPLATE shop');
  }, patienceMs);

  afterAll(() => copy().stop('leave'), patienceMs);

  function credentials(secretName: string): { target: object } {
    const { target } = shop.policy()['spec'] as { target: object };
    return { target: { ...target, credentials: { backup: { secretName } } } };
  }

  it(
    'a missing secret is named while the run waits, and the run goes on when it is there',
    async () => {
      await eventually(
        async () => {
          const { status } = (await shop.get('BackupRun', 'no-secret')) as { status?: object };
          expect(status).toMatchObject({ phase: 'Starting' });
          expect(status).toHaveProperty(
            'conditions',
            expect.arrayContaining([
              expect.objectContaining({
                type: 'Ready',
                reason: 'SecretMissing',
                message: expect.stringContaining('there is no secret "not-made-yet" in this namespace'),
              }),
            ]),
          );
        },
        60_000,
        500,
      );
      await shop.putSecret('not-made-yet', backupRole);
      expect((await shop.waitForEnd('BackupRun', 'no-secret', patienceMs)).status.phase).toBe('Succeeded');
    },
    patienceMs,
  );

  it(
    'a wrong password is said as such, with no manifest and nothing of the secret',
    async () => {
      const { status } = await shop.waitForEnd('BackupRun', 'wrong-password');
      expect(status).toMatchObject({ phase: 'Failed', failure: { reason: 'AuthenticationFailed' } });
      expect(status.attempts).toHaveLength(1);
      expect(await shop.manifests('own/wrong-password')).toEqual([]);
      const said = (await shop.kubectl(['get', 'backupruns,events', '-o', 'yaml'])) + (await operatorLog(cluster));
      expect(said).toContain('AuthenticationFailed');
      expect(said).not.toContain('not-the-password');
    },
    patienceMs,
  );

  it(
    'a restore into a database that holds something touches nothing',
    async () => {
      const before = await drawPortrait(shop.connection('taken'));
      expect((await shop.waitForEnd('BackupRun', 'mine')).status.phase).toBe('Succeeded');
      await shop.apply([restoreOf('refused', 'mine', 'taken')]);
      const { status } = await shop.waitForEnd('RestoreRequest', 'refused');
      expect(status).toMatchObject({ phase: 'Failed', failure: { reason: 'TargetNotEmpty' } });
      expect(comparePortraits(before, await drawPortrait(shop.connection('taken')))).toEqual([]);
    },
    patienceMs,
  );

  it(
    'the same store is ReadOnly for another policy, and for the same YAML in another namespace',
    async () => {
      expect((await shop.waitForEnd('BackupRun', 'mine')).status.phase).toBe('Succeeded');
      const stores = [shop.store('own/mine')];
      await shop.backUp('second', { spec: { stores } });
      const other = copy();
      await copyNamespace(other);
      // The server is the same, its workload is in the other namespace.
      const { target } = shop.policy()['spec'] as { target: { workload?: object } };
      const { workload: _there, ...address } = target;
      const toolImages = { dump: 'postgres:18' };
      await other.apply([shop.policy({ name: 'mine', spec: { target: address, toolImages, stores, schedules: [] } })]);
      const [run] = readManifests('examples/kubernetes/run.yaml');
      await other.apply([
        { ...run!, metadata: { name: 'mine' }, spec: { ...(run!['spec'] as object), policyName: 'mine' } },
      ]);
      for (const [where, name] of [
        [shop, 'second'],
        [other, 'mine'],
      ] as const) {
        const { status } = await where.waitForEnd('BackupRun', name);
        expect(status).toMatchObject({ phase: 'Failed', failure: { reason: 'ReadOnly' } });
        expect(status.failure?.message).toContain(`${shop.namespace}/mine`);
      }
      expect(await shop.manifests('own/mine')).toHaveLength(1);
    },
    patienceMs,
  );

  it(
    'leaves no Job and no pod',
    () =>
      eventually(
        async () => expect([...(await shop.tasksLeft()), ...(await copy().tasksLeft())]).toEqual([]),
        60_000,
        500,
      ),
    90_000,
  );

  /** A namespace in which the same names mean the same server, the same store and the same secrets. */
  async function copyNamespace(other: Playground): Promise<void> {
    await kubectl(['create', 'namespace', other.namespace], { cluster });
    const services = ['shop-postgres', 's3'].map((name) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: { type: 'ExternalName', externalName: `${name}.${shop.namespace}.svc.cluster.local` },
    }));
    const secrets = readManifests('examples/kubernetes/playground.yaml').filter(({ kind }) => kind === 'Secret');
    await other.apply([...services, ...secrets]);
  }
});
