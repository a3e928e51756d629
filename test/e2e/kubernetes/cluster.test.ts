import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bringUpCluster } from '../../harness/cluster/cluster.ts';
import { killContainer } from '../../harness/cluster/faults.ts';
import { kubectl, kubectlApply } from '../../harness/cluster/kubectl.ts';
import type { SettledCluster } from '../../harness/cluster/settled.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
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
    await ask('rollout', 'status', 'statefulset/db', '--timeout=90s');
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
});
