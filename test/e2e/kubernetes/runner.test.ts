import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import type { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { podDefaults } from '../../../src/cluster/kubernetes/job.ts';
import { KubernetesRunner } from '../../../src/cluster/kubernetes/runner.ts';
import type { TaskSpec } from '../../../src/cluster/runner.ts';
import type { Task } from '../../../src/contract/task.ts';
import { bringUpCluster } from '../../harness/cluster/cluster.ts';
import { pauseImage } from '../../harness/cluster/part-images.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { freshNamespace, silentLog } from '../../integration/cluster/kubernetes-client.ts';
import { noManifest, type RunnerUnderTest, runnerContract } from '../../integration/cluster/runner-contract.ts';
import { clientOf, testImage } from './agent-of-the-test.ts';

// The first run on a machine builds Kubernetes from source.
const coldMs = 15 * 60_000;
const patienceMs = 50_000;

interface PodRunner extends RunnerUnderTest {
  client: ApiClient;
  namespace: string;
  /** An image that is there and has no shell. */
  bareImage: string;
}

async function create(): Promise<PodRunner> {
  const cluster = await bringUpCluster({ tell: tellOnStderr });
  const client = clientOf(cluster);
  const namespace = await freshNamespace(client, { 'pod-security.kubernetes.io/enforce': 'restricted' });
  const within = `/api/v1/namespaces/${namespace}`;
  // The garbage collector removes a Job whose owner does not exist.
  const owner = await client.json<{ metadata: { uid: string } }>({
    method: 'POST',
    path: `${within}/configmaps`,
    body: { metadata: { name: 'owner' } },
  });
  const runner = new KubernetesRunner({
    client,
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    pod: { ...podDefaults, image: testImage, gracePeriodSeconds: 5 },
  });
  return {
    runner,
    client,
    namespace,
    bareImage: cluster.way === 'one machine' ? pauseImage.name : 'registry.k8s.io/pause:3.10',
    patienceMs,
    spec: (name, behaviour, more = {}) => ({
      name,
      namespace,
      owner: {
        apiVersion: 'v1',
        kind: 'ConfigMap' as TaskSpec['owner']['kind'],
        name: 'owner',
        uid: owner.metadata.uid,
        controller: true,
      },
      secrets: [],
      task: () => ({ taskVersion: 1, verb: 'inspect', object: `test/${behaviour}` }) as Task,
      tool: undefined,
      volumes: [],
      runningMs: 60_000,
      ...more,
    }),
    async putSecret(name, stringData) {
      await client.json({ method: 'POST', path: `${within}/secrets`, body: { metadata: { name }, stringData } });
    },
    async cleanup() {
      await client.json({ method: 'DELETE', path: within });
      client.close();
    },
  };
}

runnerContract('Kubernetes', create, coldMs);

describe('a Job pod', () => {
  let under: PodRunner;
  beforeAll(async () => {
    under = await create();
  }, coldMs);
  afterAll(() => under?.cleanup());

  const ended = (spec: TaskSpec) =>
    eventually(async () => {
      const seen = await under.runner.observe(spec);
      expect(seen.state).toBe('ended');
      return seen;
    }, patienceMs);

  const claim = async (name: string): Promise<void> => {
    await under.client.json({
      method: 'POST',
      path: `/api/v1/namespaces/${under.namespace}/persistentvolumeclaims`,
      body: {
        metadata: { name },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
      },
    });
  };

  it('has everything where the layout says, and lets agent and tool talk through FIFOs', async () => {
    await under.putSecret('cave', { passphrase: 'sesame' });
    await claim('backups');
    const spec = under.spec('layout', 'layout' as 'reports', {
      secrets: [{ mount: 'door', secretName: 'cave', keys: { passphrase: 'word' } }],
      tool: { image: testImage },
      volumes: [{ claimName: 'backups', path: '/backstay/store' }],
    });
    await under.runner.start(spec);
    expect(await ended(spec)).toEqual({ state: 'ended', report: noManifest, detail: 'the agent ended with code 0' });
  });

  it('is over soon after its agent, whatever the tool container does', async () => {
    const spec = under.spec('tool-goes', 'reports', { tool: { image: testImage } });
    await under.runner.start(spec);
    await ended(spec);
    const path = `/apis/batch/v1/namespaces/${under.namespace}/jobs/tool-goes`;
    await eventually(async () => {
      const job = await under.client.json<{ status: { succeeded?: number } }>({ method: 'GET', path });
      expect(job.status.succeeded).toBe(1);
    }, 20_000);
  });

  it.each<[string, () => Partial<TaskSpec>, string, RegExp]>([
    ['an image that is not there', () => ({ tool: { image: 'localhost/no-such:1' } }), 'ImageUnavailable', /no-such/],
    ['an image that has no sh', () => ({ tool: { image: under.bareImage } }), 'ImageUnavailable', /"sh".*not found/],
    [
      'a claim that is not there',
      () => ({ volumes: [{ claimName: 'nobody', path: '/v' }] }),
      'Unschedulable',
      /nobody/,
    ],
  ])('says that it waits for %s', async (what, more, reason, message) => {
    const spec = under.spec(what.replaceAll(' ', '-'), 'reports', more());
    await under.runner.start(spec);
    await eventually(async () => {
      expect(await under.runner.observe(spec)).toEqual({
        state: 'starting',
        waitingFor: { reason, message: expect.stringMatching(message) },
      });
    }, patienceMs);
    await under.runner.remove(spec);
  });

  it('that is deleted in mid run has ended without a report, and no second one is made', async () => {
    const spec = under.spec('deleted', 'sleeps');
    await under.runner.start(spec);
    await eventually(async () => expect((await under.runner.observe(spec)).state).toBe('running'), patienceMs);
    const pods = `/api/v1/namespaces/${under.namespace}/pods`;
    const query = { labelSelector: 'batch.kubernetes.io/job-name=deleted' };
    const { items } = await under.client.json<{ items: { metadata: { name: string } }[] }>({
      method: 'GET',
      path: pods,
      query,
    });
    await under.client.json({ method: 'DELETE', path: `${pods}/${items[0]!.metadata.name}` });
    expect(await ended(spec)).toEqual({ state: 'ended', detail: expect.stringContaining('the pod is gone') });
  });
});
