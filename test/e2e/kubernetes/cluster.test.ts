import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bringUpCluster } from '../../harness/cluster/cluster.ts';
import {
  killContainer,
  killInContainer,
  pauseProgram,
  resumeProgram,
  startProgram,
  stopProgram,
} from '../../harness/cluster/faults.ts';
import { kubectl, kubectlApply } from '../../harness/cluster/kubectl.ts';
import type { SettledCluster } from '../../harness/cluster/settled.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { createVolume } from '../../harness/cluster/volumes.ts';
import { waitFor } from '../../harness/cluster/wait.ts';
import { databaseObjects, jobWithTool, restrictedNamespace } from './cluster-objects.ts';

// The first run on a machine builds Kubernetes from source.
const coldMs = 30 * 60_000;
const namespace = `cluster-${process.pid}`;

describe('the test cluster', () => {
  let cluster: SettledCluster;
  const ask = (...args: string[]): Promise<string> =>
    kubectl(['-n', namespace, ...args], { cluster, timeoutMs: 120_000 });

  beforeAll(async () => {
    cluster = await bringUpCluster({ tell: tellOnStderr });
    await kubectlApply([restrictedNamespace(namespace), ...databaseObjects(namespace)], cluster);
    await ask('rollout', 'status', 'statefulset/db', '--timeout=110s').catch(async (thrown: Error) => {
      const seen = await Promise.allSettled([
        ask('describe', 'statefulset,pod,pvc'),
        ask('logs', 'db-0', '--tail=20'),
        ask('describe', 'node'),
        ask('get', 'persistentvolumes'),
      ]);
      const told = seen.map((one) => (one.status === 'fulfilled' ? one.value : `${one.reason}`));
      throw new Error([thrown.message, ...told].join('\n'));
    });
  }, coldMs);

  afterAll(() => ask('delete', 'namespace', namespace));

  it('runs a Job with a native sidecar under restricted Pod Security, against a database by its Service name', async () => {
    await kubectlApply([jobWithTool(namespace, 'dump')], cluster);
    await ask('wait', 'job/dump', '--for=condition=Complete', '--timeout=60s').catch(async (thrown: Error) => {
      throw new Error(`${thrown.message}\n${await ask('describe', 'pod', '-l', 'job-name=dump')}`);
    });
    expect(await ask('logs', 'job/dump', '-c', 'agent')).toBe('the dump holds: orders\n');
  });

  it('refuses a pod that restricted Pod Security forbids', async () => {
    const run = ask('run', 'root', '--image=postgres:18', '--restart=Never', '--', 'true');
    await expect(run).rejects.toThrow(/violates PodSecurity "restricted/);
  });

  it('starts a container again whose process was killed, with its data', async () => {
    if (cluster.way !== 'one machine') return;
    const sql = (text: string): Promise<string> => ask('exec', 'db-0', '--', 'psql', '-U', 'postgres', '-Atc', text);
    await sql('create table kept as select 1 as one');
    await killContainer({ namespace, pod: 'db-0', container: 'server' });
    const path = 'jsonpath={.status.containerStatuses[0].restartCount}{.status.containerStatuses[0].ready}';
    await waitFor(
      'the second life of the container',
      async () => (await ask('get', 'pod', 'db-0', '-o', path)) === '1true',
      {
        timeoutMs: 45_000,
      },
    );
    expect((await sql('select one from kept')).trim()).toBe('1');
  });

  it('loses one process of a container and keeps the container', async () => {
    if (cluster.way !== 'one machine') return;
    const restarts = 'jsonpath={.status.containerStatuses[0].restartCount}';
    const before = await ask('get', 'pod', 'db-0', '-o', restarts);
    const victim = await killInContainer({ namespace, pod: 'db-0', container: 'server' }, 'postgres: checkpointer');
    expect(victim).toBeGreaterThan(1);
    await waitFor('the server to recover', () => ask('exec', 'db-0', '--', 'pg_isready', '-h', 'localhost'), {
      timeoutMs: 30_000,
    });
    expect(await ask('get', 'pod', 'db-0', '-o', restarts)).toBe(before);
  });

  it('starts no pod while the kubelet is stopped, and starts it when the kubelet is back', async () => {
    if (cluster.way !== 'one machine') return;
    await stopProgram('kubelet');
    try {
      await kubectlApply([jobWithTool(namespace, 'late')], cluster);
      await waitFor('the pod of the Job', () => ask('get', 'pods', '-l', 'job-name=late', '-o', 'name'), {
        timeoutMs: 20_000,
      });
    } finally {
      startProgram('kubelet');
    }
    await ask('wait', 'job/late', '--for=jsonpath={.status.active}=1', '--timeout=60s');
    const state = 'jsonpath={.items[0].status.initContainerStatuses[0].started}';
    await waitFor(
      'the tool of the Job to run',
      async () => (await ask('get', 'pods', '-l', 'job-name=late', '-o', state)) === 'true',
      { timeoutMs: 60_000 },
    );
  });

  it('answers nothing while the API server is frozen', async () => {
    if (cluster.way !== 'one machine') return;
    pauseProgram('kube-apiserver');
    try {
      await expect(kubectl(['get', 'namespace', namespace, '--request-timeout=1s'], { cluster })).rejects.toThrow();
    } finally {
      resumeProgram('kube-apiserver');
    }
    await expect(kubectl(['get', 'namespace', namespace, '-o', 'name'], { cluster })).resolves.toContain(namespace);
  });

  it('binds a claim to a volume of the size it asks for', async () => {
    if (cluster.way !== 'one machine') return;
    await createVolume('large', 100);
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '50Gi' } } };
    const metadata = { name: 'large', namespace };
    await kubectlApply([{ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec }], cluster);
    await ask('wait', 'pvc/large', '--for=jsonpath={.spec.volumeName}=large', '--timeout=30s');
    await ask('delete', 'pvc/large');
    await ask('delete', 'pv/large');
  });
});
