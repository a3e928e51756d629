import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bringUpCluster, type SettledCluster } from '../../harness/cluster/cluster.ts';
import { kubectl, kubectlApply } from '../../harness/cluster/kubectl.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import {
  helm,
  installRelease,
  type Release,
  rollBackRelease,
  testRelease,
  uninstallRelease,
} from '../../harness/helm.ts';
import { kubectlCommands, readersShell } from '../../harness/kubectl-commands.ts';
import { kindsOnly } from '../../harness/kubernetes-operator.ts';
import { type Manifest, readManifests } from '../../harness/kubernetes-shop.ts';
import { metricNamesOfTheCode } from '../../integration/chart/metric-names.ts';
import { restrictedNamespace } from './cluster-objects.ts';

// The first run on a machine builds Kubernetes and helm from source.
const coldMs = 30 * 60_000;
const patienceMs = 400_000;

let cluster: SettledCluster;
let release: Release;
let namespace: string;
let values: object;
const place = mkdtempSync(join(tmpdir(), 'backstay-helm-'));

const ask = (...args: string[]): Promise<string> => kubectl(['-n', namespace, ...args], { cluster });
const configOf = (): Promise<string> => ask('get', 'configmap', 'backstay', '-o', 'jsonpath={.data.config\\.yaml}');

beforeAll(async () => {
  cluster = await bringUpCluster({ tell: tellOnStderr });
  await helm(['version'], { tell: tellOnStderr });
  // One operator for an object, and here it is that of the release.
  await kindsOnly(cluster);
  namespace = `chart-${process.pid}`;
  release = { name: 'backstay', namespace, cluster };
  // Kept to its own namespace: there are others on this cluster.
  values = { watchNamespaces: [namespace] };
  await kubectlApply([restrictedNamespace(namespace)], cluster);
}, coldMs);

afterAll(async () => {
  if (release !== undefined) await uninstallRelease(release);
  await kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--wait=false'], { cluster });
  rmSync(place, { recursive: true, force: true });
}, patienceMs);

describe('a release', () => {
  it(
    'is installed with two replicas, of which one works, and says the next step',
    async () => {
      const notes = await installRelease(release, { values });
      expect(notes).toContain(`helm test backstay -n ${namespace}`);
      expect(notes).toContain('kind: BackupPolicy');
      const ready = 'jsonpath={.status.readyReplicas}';
      expect(await ask('get', 'deployment', 'backstay', '-o', ready)).toBe('2');
      const pods = (await ask('get', 'pods', '-l', 'app.kubernetes.io/component=operator', '-o', 'name')).split('\n');
      await eventually(
        async () => {
          const holder = await ask('get', 'lease', 'backstay', '-o', 'jsonpath={.spec.holderIdentity}');
          expect(pods.filter((pod) => pod !== '' && holder.startsWith(pod.replace('pod/', '')))).toHaveLength(1);
        },
        60_000,
        500,
      );
    },
    patienceMs,
  );

  it(
    'passes helm test, a backup and its restore, and nothing of that is left',
    async () => {
      const said = await testRelease(release);
      expect(said).toMatch(/Phase: +Succeeded/);
      const left = async (): Promise<string> =>
        ask(
          'get',
          'pods,jobs,pvc,secrets,services,configmaps,roles,serviceaccounts,bp,br,rr',
          '-o',
          'name',
          '-l',
          'app.kubernetes.io/component!=operator',
        );
      await eventually(
        async () => {
          const names = (await left()).split('\n').filter((name) => name.includes('test'));
          expect(names).toEqual([]);
        },
        60_000,
        500,
      );
    },
    patienceMs,
  );

  it(
    'tells every figure of its process at the port that the chart says',
    async () => {
      // Each replica by itself: only the one that works has work to tell of.
      const pods = (await ask('get', 'pods', '-l', 'app.kubernetes.io/component=operator', '-o', 'name')).trim();
      const told = await Promise.all(
        pods.split('\n').map((pod) => {
          const path = `/api/v1/namespaces/${namespace}/${pod.replace('pod/', 'pods/')}:8080/proxy/metrics`;
          return kubectl(['get', '--raw', path], { cluster });
        }),
      );
      const ofProcess = [...metricNamesOfTheCode()].filter((name) =>
        /^backstay_(operator|queue|reconcile|api)_/.test(name),
      );
      expect(ofProcess.length).toBeGreaterThan(5);
      expect(ofProcess.filter((name) => !told.join('').includes(`# TYPE ${name} `))).toEqual([]);
    },
    patienceMs,
  );

  it(
    'makes policies that kubectl wait understands, and the commands of every runbook can be typed',
    async () => {
      const [policy] = readManifests('examples/kubernetes/policy.yaml');
      // Suspended: its run waits, and no pod of it is anywhere between being made and having a log.
      const spec = { ...(policy!['spec'] as object), schedules: [], suspend: true };
      const { target } = readManifests('examples/kubernetes/restore.yaml')[0]!['spec'] as { target: object };
      const here = (kind: string, name: string, own: object): Manifest => ({
        apiVersion: 'backstay.dev/v1alpha1',
        kind,
        metadata: { name, namespace },
        spec: own,
      });
      await kubectlApply([here('BackupPolicy', 'shop', spec)], cluster);
      await ask('wait', '--for=condition=Ready', '--timeout=60s', 'bp/shop');
      const runOf = (name: string) =>
        here('BackupRun', name, { policyName: 'shop', method: 'Dump', dump: { databases: ['shop'] } });
      const requestOf = (name: string) => here('RestoreRequest', name, { source: { runName: 'later' }, target });

      const shell = await readersShell(cluster, { directory: place, namespace, kubeconfig: join(place, 'kubeconfig') });
      const commands = readdirSync('docs/runbooks').flatMap((page) => kubectlCommands(`docs/runbooks/${page}`));
      const typed = [...new Set(commands)].filter((command) => !command.endsWith(' -w'));
      expect(typed.length).toBeGreaterThan(15);
      // Looks first, acts afterwards; what one act takes away is there again for the next.
      for (const command of typed.sort((a, b) => Number(isAct(a)) - Number(isAct(b)))) {
        await kubectlApply([runOf('now'), requestOf('back')], cluster);
        const words = command
          .replaceAll('NAMESPACE', namespace)
          .replaceAll('backstay-system', namespace)
          .replaceAll('POLICY', 'shop')
          .replaceAll('RUN', 'now')
          .replaceAll('REQUEST', 'back');
        await shell(words);
      }
      await ask('rollout', 'status', 'deployment/backstay', '--timeout=180s');
      await ask('delete', 'br,rr', '--all', '--timeout=120s');
    },
    patienceMs,
  );

  it(
    'is brought to other values by an upgrade, with pods that know them, and back by a rollback',
    async () => {
      await installRelease(release, { values: { ...values, replicas: 1, config: { logLevel: 'error' } } });
      expect(await configOf()).toContain('logLevel: error');
      await eventually(
        async () => {
          const pods = await ask('get', 'pods', '-l', 'app.kubernetes.io/component=operator', '-o', 'name');
          expect(pods.trim().split('\n')).toHaveLength(1);
        },
        120_000,
        500,
      );
      expect(await ask('logs', 'deployment/backstay')).toBe('');
      await rollBackRelease(release, 1);
      expect(await configOf()).not.toContain('logLevel');
      expect(await ask('get', 'deployment', 'backstay', '-o', 'jsonpath={.status.readyReplicas}')).toBe('2');
    },
    patienceMs,
  );

  it(
    'leaves the kinds and the policies when it is uninstalled, and nothing that runs or has rights',
    async () => {
      await uninstallRelease(release);
      expect(await ask('get', 'bp', '-o', 'name')).toBe('backuppolicy.backstay.dev/shop\n');
      const kinds = 'all,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets';
      await eventually(
        async () => expect(await ask('get', kinds, '-l', 'app.kubernetes.io/part-of=backstay', '-o', 'name')).toBe(''),
        60_000,
        500,
      );
    },
    patienceMs,
  );
});

const isAct = (command: string): boolean => / (delete|patch|rollout) /.test(command);
