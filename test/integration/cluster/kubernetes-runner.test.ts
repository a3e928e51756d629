import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { podDefaults } from '../../../src/cluster/kubernetes/job.ts';
import { KubernetesRunner } from '../../../src/cluster/kubernetes/runner.ts';
import type { TaskSpec } from '../../../src/cluster/runner.ts';
import { apiProxy } from '../../harness/cluster/api-proxy.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { clientOf, freshNamespace, silentLog } from './kubernetes-client.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;

/** The API server has no controllers and no node here: what they would write, the test writes. */
describe('tasks as Jobs at a real API server', () => {
  let server: ApiServer;
  let client: ApiClient;
  let runner: KubernetesRunner;
  let namespace: string;
  let spec: TaskSpec;

  beforeAll(async () => {
    server = await apiServer({ tell: tellOnStderr });
    client = clientOf(server.kubeconfigPath);
    runner = new KubernetesRunner({
      client,
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      pod: { ...podDefaults, image: 'backstay:dev' },
    });
  }, coldMs);
  afterAll(async () => {
    client?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    namespace = await freshNamespace(client, { 'pod-security.kubernetes.io/enforce': 'restricted' });
    spec = taskOf('backup');
  });

  const taskOf = (name: string, more: Partial<TaskSpec> = {}): TaskSpec => ({
    name,
    namespace,
    owner: {
      apiVersion: 'backstay.dev/v1alpha1',
      kind: 'BackupRun',
      name: 'shop',
      uid: '8d7c6b5a-0000-4000-8000-000000000001',
      controller: true,
    },
    secrets: [{ mount: 'backup', secretName: 'shop-backup', keys: { password: 'password' } }],
    task: (root) => ({
      taskVersion: 1,
      verb: 'inspect',
      object: `${namespace}/shop`,
      runUid: 'u',
      deadlineMs: 1,
      store: { kind: 'filesystem', name: 'near', path: `${root}/store` },
    }),
    tool: { image: 'postgres:18' },
    volumes: [{ claimName: 'backups', path: '/backstay/store' }],
    runningMs: 60_000,
    ...more,
  });

  interface Job {
    metadata: { name: string; uid: string; annotations: object; finalizers?: string[] };
    spec: { activeDeadlineSeconds?: number; template: { metadata: object; spec: object } };
  }
  const jobsPath = () => `/apis/batch/v1/namespaces/${namespace}/jobs`;
  const jobs = async () => (await client.json<{ items: Job[] }>({ method: 'GET', path: jobsPath() })).items;

  /** What the Job controller would make of the Job. */
  const makePod = async (query: Record<string, string> = {}): Promise<string> => {
    const [job] = await jobs();
    const name = `${job!.metadata.name.slice(0, 50)}-x1y2z`;
    const { template } = job!.spec;
    await client.json({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/pods`,
      query,
      body: { ...template, metadata: { ...template.metadata, name } },
    });
    return name;
  };
  const setStatus = (path: string, status: object) =>
    client.json({ method: 'PATCH', path: `${path}/status`, body: { status } });
  const podPath = (name: string) => `/api/v1/namespaces/${namespace}/pods/${name}`;

  it('makes a Job that strict validation and restricted Pod Security let in', async () => {
    await runner.start(spec);
    expect((await jobs()).map(({ metadata }) => metadata)).toEqual([
      expect.objectContaining({ name: 'backup', annotations: { 'backstay.dev/task-name': 'backup' } }),
    ]);
    await makePod({ fieldValidation: 'Strict', dryRun: 'All' });
  });

  const claimOf = async (accessMode: string): Promise<void> => {
    const path = `/api/v1/namespaces/${namespace}/persistentvolumeclaims`;
    const claim = { accessModes: [accessMode], resources: { requests: { storage: '1Gi' } } };
    await client.json({ method: 'POST', path, body: { metadata: { name: 'backups' }, spec: claim } });
  };
  /** A pod of somebody else that has the claim, on a node. */
  const holdClaim = async (): Promise<void> => {
    const securityContext = {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    };
    const body = {
      metadata: { name: 'db-0' },
      spec: {
        nodeName: 'far',
        containers: [{ name: 'db', image: 'db', securityContext }],
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'backups' } }],
      },
    };
    await client.json({ method: 'POST', path: `/api/v1/namespaces/${namespace}/pods`, body });
  };

  it('sends a pod to the node where its claim is used', async () => {
    await claimOf('ReadWriteOnce');
    await holdClaim();
    await runner.start(spec);
    const [job] = await jobs();
    expect(JSON.stringify(job?.spec.template.spec)).toContain('"values":["far"]');
    const pod = await makePod();
    const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no node' }];
    await setStatus(podPath(pod), { conditions });
    expect(await runner.observe(spec)).toEqual({
      state: 'starting',
      waitingFor: {
        reason: 'Unschedulable',
        message: 'no node (it must run where pod db-0 on node far uses claim "backups")',
      },
    });
  });

  it('refuses a claim that is for one pod and has it', async () => {
    await claimOf('ReadWriteOncePod');
    await holdClaim();
    await expect(runner.start(spec)).rejects.toMatchObject({
      reason: 'Unschedulable',
      message: 'claim "backups" can be used by one pod only, and pod db-0 on node far uses it',
    });
    expect(await jobs()).toEqual([]);
  });

  it('says what the server says of settings that make no Job', async () => {
    const pod = { resources: { agent: { requests: { cpu: '2' }, limits: { cpu: '1' } } } };
    await expect(runner.start({ ...spec, pod })).rejects.toMatchObject({
      reason: 'PodRefused',
      message: expect.stringContaining('must be less than or equal to cpu limit'),
    });
  });

  it('starts one Job however often it is asked to', async () => {
    await Promise.all(Array.from({ length: 10 }, () => runner.start(spec)));
    await runner.start(spec);
    expect(await jobs()).toHaveLength(1);
    expect(await runner.observe(spec)).toEqual({ state: 'starting' });
  });

  it('takes no Job that belongs to somebody else, and neither reads nor ends it', async () => {
    const foreign = {
      metadata: { name: 'backup' },
      spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
    };
    await client.json({ method: 'POST', path: jobsPath(), body: foreign });
    await expect(runner.start(spec)).rejects.toMatchObject({
      code: 'Conflict',
      message: expect.stringContaining('does not belong to BackupRun shop'),
    });
    expect(await runner.observe(spec)).toEqual({ state: 'absent' });
    await runner.stop(spec);
    await runner.remove(spec);
    expect((await jobs())[0]?.spec.activeDeadlineSeconds).toBeUndefined();
    expect(await jobs()).toHaveLength(1);
  });

  it('takes no task of the same name that another object owns', async () => {
    await runner.start(spec);
    const other = { ...spec, owner: { ...spec.owner, uid: '8d7c6b5a-0000-4000-8000-000000000002' } };
    await expect(runner.start(other)).rejects.toMatchObject({ code: 'Conflict' });
  });

  it('runs tasks with names too long for a Job under a shortened one', async () => {
    const long = ['1', '2'].map((end) => taskOf(`${'shop-nightly-'.repeat(8)}${end}`));
    for (const one of long) await runner.start(one);
    expect(await jobs()).toHaveLength(2);
    const called: string[] = [];
    const stop = new AbortController();
    await runner.watch((key) => key.namespace === namespace && called.push(key.name), stop.signal);
    stop.abort();
    expect(called.sort()).toEqual(long.map(({ name }) => name));
    expect(await runner.observe(long[1]!)).toEqual({ state: 'starting' });
  });

  it('sees its pod through: the missing secret, the agent at work, the report', async () => {
    await runner.start(spec);
    await client.json({
      method: 'PATCH',
      path: `${jobsPath()}/backup`,
      body: { metadata: { labels: { seen: 'yes' } } },
    });
    const pod = await makePod();
    const { metadata } = await client.json<{ metadata: { uid: string } }>({ method: 'GET', path: podPath(pod) });
    await client.json({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/events`,
      body: {
        metadata: { name: 'failed-mount' },
        involvedObject: { kind: 'Pod', namespace, name: pod, uid: metadata.uid },
        reason: 'FailedMount',
        message: 'MountVolume.SetUp failed for volume "secret-0" : references non-existent secret key: password',
        type: 'Warning',
        lastTimestamp: '2026-01-01T00:00:00Z',
      },
    });
    expect(await runner.observe(spec)).toEqual({
      state: 'starting',
      waitingFor: { reason: 'SecretMissing', message: 'secret "shop-backup" has no key "password"' },
    });
    const agent = { name: 'agent', image: 'backstay:dev', imageID: '', ready: true, restartCount: 0 };
    const running = [{ ...agent, state: { running: { startedAt: '2026-01-01T00:00:00Z' } } }];
    await setStatus(podPath(pod), { phase: 'Running', containerStatuses: running });
    expect(await runner.observe(spec)).toEqual({ state: 'running' });
    const terminated = { exitCode: 0, reason: 'Completed', message: '{"outcome":"no-manifest"}' };
    await setStatus(podPath(pod), { containerStatuses: [{ ...agent, state: { terminated } }] });
    expect(await runner.observe(spec)).toEqual({
      state: 'ended',
      report: { outcome: 'no-manifest' },
      detail: 'the agent ended with code 0',
    });
  });

  it('says why the pod is refused', async () => {
    await runner.start(spec);
    const [job] = await jobs();
    await client.json({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/events`,
      body: {
        metadata: { name: 'failed-create' },
        involvedObject: { kind: 'Job', namespace, name: 'backup', uid: job!.metadata.uid },
        reason: 'FailedCreate',
        message: 'pods "backup-x" is forbidden: exceeded quota',
      },
    });
    expect(await runner.observe(spec)).toEqual({
      state: 'starting',
      waitingFor: { reason: 'PodRefused', message: 'pods "backup-x" is forbidden: exceeded quota' },
    });
  });

  it('stops by the deadline of the Job, which stays, and removes it', async () => {
    await runner.start(spec);
    await runner.stop(spec);
    await runner.stop(spec);
    expect((await jobs())[0]?.spec.activeDeadlineSeconds).toBe(1);
    await setStatus(`${jobsPath()}/backup`, { failed: 1, startTime: '2026-01-01T00:00:00Z' });
    expect(await runner.observe(spec)).toEqual({
      state: 'ended',
      detail: 'the pod is gone, and its report with it: it was stopped',
    });
  });

  it('leaves to a user what a user writes on a Job, but for a deadline when it is to stop', async () => {
    await runner.start(spec);
    const path = `${jobsPath()}/backup`;
    const theirs = { metadata: { labels: { team: 'shop' } }, spec: { activeDeadlineSeconds: 9_999, suspend: true } };
    await client.json({ method: 'PATCH', path, body: theirs });
    await runner.start(spec);
    await runner.stop(spec);
    const [job] = (await jobs()) as unknown as {
      metadata: { labels: object; managedFields: { manager: string; operation: string; fieldsV1: object }[] };
      spec: object;
    }[];
    expect(job?.metadata.labels).toMatchObject({ team: 'shop', 'app.kubernetes.io/managed-by': 'backstay' });
    expect(job?.spec).toMatchObject({ activeDeadlineSeconds: 1, suspend: true });
    const applied = job?.metadata.managedFields.find(({ operation }) => operation === 'Apply');
    expect(applied).toMatchObject({ manager: 'backstay', fieldsV1: { 'f:spec': { 'f:activeDeadlineSeconds': {} } } });
  });

  it('tells the truth of a Job that a user edits: labels, suspend, deadline', async () => {
    const path = `${jobsPath()}/backup`;
    const edit = (body: object) => client.json({ method: 'PATCH', path, body });
    const message = 'somebody suspended the job: no pod is made until its spec.suspend is false';
    const held = { state: 'starting', waitingFor: { reason: 'PodRefused', message } };
    await runner.start(spec);
    await edit({ metadata: { labels: { 'app.kubernetes.io/managed-by': null, team: 'shop' } } });
    expect(await runner.observe(spec)).toEqual({ state: 'starting' });

    const pod = await makePod();
    const agent = { name: 'agent', image: 'backstay:dev', imageID: '', ready: true, restartCount: 0 };
    const running = [{ ...agent, state: { running: { startedAt: '2026-01-01T00:00:00Z' } } }];
    await setStatus(podPath(pod), { phase: 'Running', containerStatuses: running });
    await edit({ spec: { activeDeadlineSeconds: 9_999 } });
    expect(await runner.observe(spec)).toEqual({ state: 'running' });

    await edit({ spec: { suspend: true } });
    // What the Job controller does to the pod of a suspended Job: it is ended, and not counted.
    const stopped = { outcome: 'failed', reason: 'Stopped', message: 'TERM', hint: 'x' };
    const terminated = { exitCode: 1, reason: 'Error', message: JSON.stringify(stopped) };
    await setStatus(podPath(pod), { phase: 'Failed', containerStatuses: [{ ...agent, state: { terminated } }] });
    expect(await runner.observe(spec)).toEqual({ state: 'running' });
    await client.json({ method: 'DELETE', path: podPath(pod), body: { gracePeriodSeconds: 0 } });
    expect(await runner.observe(spec)).toEqual(held);
    await edit({ spec: { suspend: false } });
    expect(await runner.observe(spec)).toEqual({ state: 'starting' });

    await edit({ spec: { suspend: true } });
    await runner.start(spec);
    await runner.stop(spec);
    expect(await runner.observe(spec)).toEqual({
      state: 'ended',
      detail: 'it was stopped while somebody had suspended it',
    });
    const [job] = (await jobs()) as unknown as { metadata: { labels: object }; spec: object }[];
    expect(job?.metadata.labels).toMatchObject({ team: 'shop' });
    expect(job?.metadata.labels).not.toHaveProperty(['app.kubernetes.io/managed-by']);
    expect(job?.spec).toMatchObject({ activeDeadlineSeconds: 1, suspend: true });
  });

  it('stops no Job that took the place of the one it saw', async () => {
    await runner.start(spec);
    const [before] = await jobs();
    const path = `${jobsPath()}/backup`;
    const body = { propagationPolicy: 'Background' };
    let uid = '';
    const proxy = await apiProxy(server);
    const late = new ApiClient(proxy.connection, systemClock);
    proxy.judge = async ({ method }) => {
      if (method !== 'PATCH') return undefined;
      await client.json({ method: 'DELETE', path, body });
      await runner.start(spec);
      uid = (await jobs())[0]?.metadata.uid ?? '';
      return undefined;
    };
    const pod = { ...podDefaults, image: 'backstay:dev' };
    await new KubernetesRunner({ client: late, clock: systemClock, random: Math.random, log: silentLog, pod }).stop(
      spec,
    );
    late.close();
    await proxy.close();
    const [after] = await jobs();
    expect(uid).not.toBe(before?.metadata.uid);
    expect(after).toMatchObject({ metadata: { uid } });
    expect(after?.spec.activeDeadlineSeconds).toBeUndefined();
  });

  it('removes a Job in the foreground: the name is free when its pod has ended', async () => {
    await runner.start(spec);
    await runner.remove(spec);
    await runner.remove(spec);
    expect((await runner.observe(spec)).state).toBe('ended');
    await expect(runner.start(spec)).rejects.toMatchObject({
      code: 'Conflict',
      message: expect.stringContaining('is still being removed'),
    });
    expect((await jobs())[0]?.metadata.finalizers).toContain('foregroundDeletion');
    // What the garbage collector does when the pod is gone.
    await client.json({ method: 'PATCH', path: `${jobsPath()}/backup`, body: { metadata: { finalizers: [] } } });
    expect(await runner.observe(spec)).toEqual({ state: 'absent' });
    await runner.remove(spec);
    await runner.stop(spec);
    await runner.start(spec);
    expect(await runner.observe(spec)).toEqual({ state: 'starting' });
  });

  it('tells a watcher of every change to a Job or a pod of ours, and of none of others', async () => {
    const stop = new AbortController();
    const called: string[] = [];
    const here = () => called.filter((word) => word.startsWith(`${namespace}/`));
    await runner.watch((key) => called.push(`${key.namespace}/${key.name}`), stop.signal);
    expect(here()).toEqual([]);
    await runner.start(spec);
    await eventually(() => expect(here()).toEqual([`${namespace}/backup`]));
    const pod = await makePod();
    await eventually(() => expect(here()).toHaveLength(2));
    await client.json({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/configmaps`,
      body: { metadata: { name: 'other' } },
    });
    await setStatus(podPath(pod), { phase: 'Failed' });
    await eventually(() => expect(here()).toHaveLength(3));
    expect(new Set(here())).toEqual(new Set([`${namespace}/backup`]));
    stop.abort();
  });
});
