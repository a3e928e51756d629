import { describe, expect, it } from '@jest/globals';
import { stopSeconds } from '../../../../src/cluster/kubernetes/job.ts';
import {
  type EventView,
  type JobView,
  needsEvents,
  observationOf,
  type PodView,
} from '../../../../src/cluster/kubernetes/observation.ts';

const nowMs = Date.parse('2026-01-01T12:00:00Z');
const job = (more: Partial<JobView> = {}): JobView => ({
  metadata: { name: 'task', namespace: 'prod', uid: 'job-uid' },
  ...more,
});
const pod = (status: PodView['status'] = {}, more: Partial<PodView['metadata']> = {}): PodView => ({
  metadata: { name: 'task-x', uid: 'pod-uid', creationTimestamp: '2026-01-01T11:59:00Z', ...more },
  spec: { volumes: [{ name: 'secret-0', secret: { secretName: 'shop-backup' } }] },
  status,
});
const agent = (state: object, lastState = {}) => ({ name: 'agent', image: 'backstay:dev', state, lastState });
const tool = (state: object, lastState = {}) => ({ name: 'tool', image: 'postgres:18', state, lastState });
const event = (reason: string, message: string, at = '2026-01-01T11:59:30Z'): EventView => ({
  reason,
  message,
  lastTimestamp: at,
  metadata: { creationTimestamp: at },
});
const initializing = { waiting: { reason: 'PodInitializing' } };
const pending = (more: object = {}) => pod({ phase: 'Pending', containerStatuses: [agent(initializing)], ...more });
const look = (pods: PodView[], events: EventView[] = [], of = job()) => observationOf(of, pods, events, nowMs);
const report = JSON.stringify({ outcome: 'no-manifest' });
const gone = { deletionTimestamp: '2026-01-01T11:59:50Z' };

describe('a task that starts', () => {
  it('says nothing when there is nothing to say', () => {
    expect(look([])).toEqual({ state: 'starting' });
    expect(look([pending()])).toEqual({ state: 'starting' });
  });

  it.each([
    ['secret "shop-backup" not found', 'there is no secret "shop-backup" in this namespace'],
    ['references non-existent secret key: password', 'secret "shop-backup" has no key "password"'],
  ])('names what the kubelet misses: %s', (said, message) => {
    const events = [event('FailedMount', `MountVolume.SetUp failed for volume "secret-0" : ${said}`)];
    expect(look([pending()], events)).toEqual({ state: 'starting', waitingFor: { reason: 'SecretMissing', message } });
  });

  it('says why no node takes it, and not what would not help either', () => {
    const said =
      "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, " +
      'preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.';
    const status = { conditions: [{ type: 'PodScheduled', status: 'False', message: said }] };
    const message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector";
    expect(look([pending(status)])).toMatchObject({ waitingFor: { reason: 'Unschedulable', message } });
    const annotations = { 'backstay.dev/bound-to-node': 'pod db-0 on node b uses claim "backups"' };
    expect(look([pod({ phase: 'Pending', ...status }, { annotations })])).toMatchObject({
      waitingFor: { message: `${message} (it must run where pod db-0 on node b uses claim "backups")` },
    });
  });

  it('goes by the newest event', () => {
    const events = [
      event('FailedMount', 'MountVolume.SetUp failed for volume "secret-0" : references non-existent secret key: b'),
      event('FailedMount', 'secret "old" not found', '2026-01-01T11:00:00Z'),
    ];
    expect(look([pending()], events)).toMatchObject({ waitingFor: { message: 'secret "shop-backup" has no key "b"' } });
  });

  it.each(['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull'])(
    'names the image of either container at %s',
    (reason) => {
      const waiting = { waiting: { reason, message: 'not found' } };
      const waitingFor = (image: string) => ({ reason: 'ImageUnavailable', message: `image ${image}: not found` });
      expect(look([pending({ initContainerStatuses: [tool(waiting)] })])).toMatchObject({
        waitingFor: waitingFor('postgres:18'),
      });
      expect(look([pending({ containerStatuses: [agent(waiting)] })])).toMatchObject({
        waitingFor: waitingFor('backstay:dev'),
      });
    },
  );

  it('says how the tool container ended that is started again and again', () => {
    const crashing = tool(
      { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s restarting failed container' } },
      { terminated: { exitCode: 128, reason: 'StartError', message: 'exec: "sh": executable file not found' } },
    );
    expect(look([pending({ initContainerStatuses: [crashing] })])).toMatchObject({
      waitingFor: { reason: 'ImageUnavailable', message: expect.stringContaining('"sh": executable file not found') },
    });
  });

  it('says why no node takes it', () => {
    const message = '0/1 nodes are available: persistentvolumeclaim "backups" not found';
    const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }];
    expect(look([pod({ phase: 'Pending', conditions })])).toEqual({
      state: 'starting',
      waitingFor: { reason: 'Unschedulable', message },
    });
  });

  it('says why its pod is refused', () => {
    const message = 'pods "task-x" is forbidden: exceeded quota';
    expect(look([], [event('FailedCreate', message)])).toEqual({
      state: 'starting',
      waitingFor: { reason: 'PodRefused', message },
    });
  });

  it('needs the events only while the status alone does not tell', () => {
    expect(needsEvents([])).toBe(true);
    expect(needsEvents([pending()])).toBe(true);
    expect(needsEvents([pending({ containerStatuses: [agent({ waiting: { reason: 'ErrImagePull' } })] })])).toBe(false);
    expect(needsEvents([pod({ phase: 'Running', containerStatuses: [agent({ running: {} })] })])).toBe(false);
  });
});

describe('a job that somebody suspended', () => {
  const message = 'somebody suspended the job: no pod is made until its spec.suspend is false';
  const held = { state: 'starting', waitingFor: { reason: 'PodRefused', message } };
  const suspended = (more: object = {}, status: JobView['status'] = {}) =>
    job({ spec: { suspend: true, ...more }, status });

  it('says so, whatever events there are', () => {
    expect(look([], [event('FailedCreate', 'exceeded quota')], suspended())).toEqual(held);
  });

  it('is over once it was told to stop: Kubernetes does not look at the deadline of a suspended one', () => {
    expect(look([], [], suspended({ activeDeadlineSeconds: stopSeconds }))).toEqual({
      state: 'ended',
      detail: 'it was stopped while somebody had suspended it',
    });
  });

  it('is not over by a deadline of somebody else: it may go on', () => {
    expect(look([], [], suspended({ activeDeadlineSeconds: 9_999 }))).toEqual(held);
  });

  it('in mid run is not over by the end of the pod that was ended for that: it may get another one', () => {
    const failed = JSON.stringify({ outcome: 'failed', reason: 'Stopped', message: 'TERM', hint: 'x' });
    const leaving = (message: string) =>
      pod({ phase: 'Failed', containerStatuses: [agent({ terminated: { exitCode: 1, message } })] }, gone);
    expect(look([leaving(failed)], [], suspended())).toEqual({ state: 'running' });
    expect(look([], [], suspended())).toEqual(held);
    // What is done is done.
    expect(look([leaving(report)], [], suspended())).toMatchObject({ report: { outcome: 'no-manifest' } });
    expect(look([leaving(failed)], [], suspended({}, { failed: 1 }))).toMatchObject({ report: { reason: 'Stopped' } });
    expect(look([leaving(failed)], [], suspended({ activeDeadlineSeconds: stopSeconds }))).toMatchObject({
      report: { reason: 'Stopped' },
    });
  });

  it('after its pod was counted is over', () => {
    expect(look([], [], suspended({}, { failed: 1 }))).toMatchObject({ state: 'ended' });
  });
});

describe('a task that runs or has ended', () => {
  const running = { phase: 'Running', containerStatuses: [agent({ running: {} })] };
  const ended = (terminated: object, status: object = {}) => ({
    phase: 'Running',
    containerStatuses: [agent({ terminated })],
    ...status,
  });

  it('runs when its agent runs', () => expect(look([pod(running)])).toEqual({ state: 'running' }));

  it('has ended when its agent has, whatever the tool container still does', () => {
    const status = ended({ exitCode: 0, reason: 'Completed', message: report });
    expect(look([pod({ ...status, initContainerStatuses: [tool({ running: {} })] })])).toEqual({
      state: 'ended',
      report: { outcome: 'no-manifest' },
      detail: 'the agent ended with code 0',
    });
  });

  it('has no report when the message is none', () => {
    expect(look([pod(ended({ exitCode: 137, reason: 'OOMKilled', message: 'garbage' }))])).toEqual({
      state: 'ended',
      detail: 'the agent ended with code 137 (OOMKilled)',
    });
  });

  it('says that it was evicted', () => {
    expect(look([pod({ phase: 'Failed', reason: 'Evicted', message: 'low on memory' })])).toEqual({
      state: 'ended',
      detail: 'pod task-x ended without a word of the agent (Evicted: low on memory)',
    });
  });

  it('names the deadline of the pod', () => {
    const status = ended({ exitCode: 143, reason: 'Error' }, { phase: 'Failed', reason: 'DeadlineExceeded' });
    expect(look([pod(status)])).toEqual({
      state: 'ended',
      detail: 'the agent ended with code 143; pod: DeadlineExceeded',
    });
  });

  it('has ended when the pod is gone, by every sign a Job gives of it', () => {
    const statuses: JobView['status'][] = [
      { conditions: [{ type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded', message: 'limit reached' }] },
      { conditions: [{ type: 'FailureTarget', status: 'True' }] },
      { failed: 1 },
      { uncountedTerminatedPods: { failed: ['pod-uid'] } },
    ];
    for (const status of statuses) {
      expect(look([], [], job({ status: status! }))).toMatchObject({
        state: 'ended',
        detail: expect.stringContaining('the pod is gone'),
      });
    }
    expect(look([], [], job({ status: statuses[0]! }))).toMatchObject({
      detail: expect.stringContaining('BackoffLimitExceeded: limit reached'),
    });
  });

  it('does not speak of a deadline when it was stopped', () => {
    const status = { conditions: [{ type: 'Failed', status: 'True', reason: 'DeadlineExceeded' }] };
    expect(look([], [], job({ spec: { activeDeadlineSeconds: 1 }, status }))).toEqual({
      state: 'ended',
      detail: 'the pod is gone, and its report with it: it was stopped',
    });
  });

  it('does not begin any more when its Job is being deleted', () => {
    const leaving = job({ metadata: { ...job().metadata, deletionTimestamp: '2026-01-01T11:59:50Z' } });
    expect(look([], [], leaving)).toEqual({
      state: 'ended',
      detail: 'the pod is gone, and its report with it: the job is being deleted',
    });
  });

  it('still runs while its deleted pod ends, but a report counts at once', () => {
    expect(look([pod(ended({ exitCode: 143 }), gone)])).toEqual({ state: 'running' });
    expect(look([pod({ phase: 'Failed' }, gone)])).not.toMatchObject({ state: 'ended' });
    expect(look([pod(ended({ exitCode: 1, message: report }), gone)])).toMatchObject({ state: 'ended', report: {} });
  });

  it('has ended when the node of a deleted pod stays silent', () => {
    const long = { deletionTimestamp: '2026-01-01T11:58:59Z' };
    expect(look([pod(running, gone)])).toEqual({ state: 'running' });
    expect(look([pod(running, long)])).toMatchObject({ state: 'ended', detail: expect.stringContaining('its node') });
  });

  it('has ended sooner where the configuration waits less for that node', () => {
    const nowMs = Date.parse(gone.deletionTimestamp) + 5_001;
    const seen = (unconfirmedMs: number) => observationOf(job(), [pod(running, gone)], [], nowMs, unconfirmedMs).state;
    expect([seen(5_001), seen(5_000)]).toEqual(['running', 'ended']);
  });

  it('goes by the newest pod', () => {
    const old = pod(ended({ exitCode: 1 }), { name: 'old', creationTimestamp: '2026-01-01T10:00:00Z' });
    expect(look([old, pod(running)])).toEqual({ state: 'running' });
  });
});
