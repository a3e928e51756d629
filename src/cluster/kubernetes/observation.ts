import { decodeReport, type Report } from '../../contract/report.ts';
import type { Observation } from '../runner.ts';
import { agentContainer, boundAnnotation, stopSeconds } from './job.ts';

/** What is read of a Job, its pods and the events about them. */
export interface JobView {
  metadata: {
    name: string;
    namespace: string;
    uid: string;
    deletionTimestamp?: string;
    annotations?: Record<string, string>;
    ownerReferences?: { uid: string }[];
  };
  spec?: { activeDeadlineSeconds?: number; suspend?: boolean };
  status?: {
    conditions?: ConditionView[];
    failed?: number;
    succeeded?: number;
    uncountedTerminatedPods?: { failed?: string[]; succeeded?: string[] };
  };
}

export interface PodView {
  metadata: {
    name: string;
    uid: string;
    creationTimestamp: string;
    deletionTimestamp?: string;
    annotations?: Record<string, string>;
  };
  spec: { volumes?: { name: string; secret?: { secretName?: string } }[] };
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    conditions?: ConditionView[];
    initContainerStatuses?: ContainerView[];
    containerStatuses?: ContainerView[];
  };
}

export interface EventView {
  reason?: string;
  message?: string;
  lastTimestamp?: string | null;
  eventTime?: string | null;
  series?: { lastObservedTime?: string };
  metadata: { creationTimestamp: string };
}

interface ConditionView {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

interface ContainerView {
  name: string;
  image: string;
  state?: ContainerState;
  lastState?: ContainerState;
}

interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: object;
  terminated?: { exitCode: number; signal?: number; reason?: string; message?: string };
}

type WaitingFor = NonNullable<Extract<Observation, { state: 'starting' }>['waitingFor']>;

/**
 * How a task stands. Pure. `events` are those about the pod, or about the Job while it has none; they are only looked at
 * while nothing else says why it does not start.
 */
export function observationOf(
  job: JobView,
  pods: PodView[],
  events: EventView[],
  nowMs: number,
  unconfirmedMs = 60_000,
): Observation {
  const givenUpMs = nowMs - unconfirmedMs;
  const pod = newest(pods);
  if (pod === undefined) return withoutPod(job, events);
  const agent = agentOf(pod);
  const ended = agent?.state?.terminated;
  const report = ended && decodeReport(ended.message ?? '');
  // The end of this pod is not the end of the task.
  if (mayMakeAnotherPod(job) && !isDone(report)) {
    if (isGivenUp(pod, givenUpMs)) return withoutPod(job, events);
    if (ended !== undefined || isPodOver(pod)) return { state: 'running' };
  }
  if (ended !== undefined) {
    const detail = describeEnd(ended, pod);
    if (report !== undefined) return { state: 'ended', report, detail };
    // A pod that is being deleted is over when it is gone: the same answer from the first time on.
    return isLeaving(pod, givenUpMs) ? { state: 'running' } : { state: 'ended', detail };
  }
  if (isPodOver(pod) && !isLeaving(pod, givenUpMs)) return { state: 'ended', detail: describePodEnd(pod) };
  if (isGivenUp(pod, givenUpMs)) {
    return { state: 'ended', detail: `pod ${pod.metadata.name} was deleted and its node does not confirm its end` };
  }
  if (agent?.state?.running !== undefined) return { state: 'running' };
  const waitingFor = whyWaiting(pod, events);
  return waitingFor === undefined ? { state: 'starting' } : { state: 'starting', waitingFor };
}

/** The pod does not run, and its status alone does not say why: the events may. */
export function needsEvents(pods: PodView[]): boolean {
  const pod = newest(pods);
  if (pod === undefined) return true;
  return pod.status?.phase === 'Pending' && agentOf(pod)?.state?.running === undefined && fromStatus(pod) === undefined;
}

export function newest(pods: PodView[]): PodView | undefined {
  return [...pods].sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? 1 : -1))[0];
}

const isPodOver = ({ status }: PodView): boolean => status?.phase === 'Failed' || status?.phase === 'Succeeded';

const agentOf = (pod: PodView): ContainerView | undefined =>
  pod.status?.containerStatuses?.find(({ name }) => name === agentContainer);

function withoutPod(job: JobView, events: EventView[]): Observation {
  if (isOver(job)) {
    return { state: 'ended', detail: `the pod is gone, and its report with it${endOf(job)}` };
  }
  if (job.spec?.suspend === true) {
    if (!mayMakeAnotherPod(job)) return { state: 'ended', detail: 'it was stopped while somebody had suspended it' };
    const message = 'somebody suspended the job: no pod is made until its spec.suspend is false';
    return { state: 'starting', waitingFor: { reason: 'PodRefused', message } };
  }
  const refused = latest(events.filter(({ reason }) => reason === 'FailedCreate'));
  if (refused === undefined) return { state: 'starting' };
  return { state: 'starting', waitingFor: { reason: 'PodRefused', message: refused.message ?? 'the pod was refused' } };
}

/**
 * Kubernetes ends the pod of a Job that is suspended, does not count it, and makes another one when the Job goes on. Its
 * deadline does not count meanwhile; one that was told to stop makes a pod for that one second at most.
 */
const mayMakeAnotherPod = (job: JobView): boolean =>
  job.spec?.suspend === true && job.spec.activeDeadlineSeconds !== stopSeconds && !isOver(job);

const isDone = (report: Report | undefined): boolean =>
  report !== undefined && report.outcome !== 'failed' && report.outcome !== 'unknown';

const finalConditions = new Set(['Complete', 'SuccessCriteriaMet', 'Failed', 'FailureTarget']);

/** A pod leaves before the Job's last condition is written; that it was counted comes first. */
function isOver({ metadata, status }: JobView): boolean {
  const { failed = 0, succeeded = 0, uncountedTerminatedPods: uncounted } = status ?? {};
  const pods = failed + succeeded + (uncounted?.failed?.length ?? 0) + (uncounted?.succeeded?.length ?? 0);
  return metadata.deletionTimestamp !== undefined || pods > 0 || (status?.conditions ?? []).some(isFinal);
}

const isFinal = ({ type, status }: ConditionView): boolean => status === 'True' && finalConditions.has(type);

function endOf({ metadata, spec, status }: JobView): string {
  if (metadata.deletionTimestamp !== undefined) return ': the job is being deleted';
  // What Kubernetes says then would be taken for the deadline of the task.
  if (spec?.activeDeadlineSeconds === stopSeconds) return ': it was stopped';
  const { reason, message } = status?.conditions?.find(isFinal) ?? {};
  return reason === undefined ? '' : `: ${[reason, message].filter(Boolean).join(': ')}`;
}

function describeEnd({ exitCode, signal, reason }: NonNullable<ContainerState['terminated']>, pod: PodView): string {
  const why = reason === undefined || reason === 'Completed' || reason === 'Error' ? '' : ` (${reason})`;
  const how = signal ? `was ended by signal ${signal}` : `ended with code ${exitCode}`;
  const { reason: podReason, message } = pod.status ?? {};
  const more = [podReason, message].filter(Boolean).join(': ');
  return `the agent ${how}${why}${more && `; pod: ${more}`}`;
}

function describePodEnd({ metadata, status }: PodView): string {
  const why = [status?.reason, status?.message].filter(Boolean).join(': ');
  return `pod ${metadata.name} ended without a word of the agent${why && ` (${why})`}`;
}

const isLeaving = (pod: PodView, givenUpMs: number): boolean =>
  pod.metadata.deletionTimestamp !== undefined && !isGivenUp(pod, givenUpMs);

function isGivenUp({ metadata: { deletionTimestamp } }: PodView, givenUpMs: number): boolean {
  // The timestamp is the moment at which the grace time is over.
  return deletionTimestamp !== undefined && Date.parse(deletionTimestamp) < givenUpMs;
}

const whyWaiting = (pod: PodView, events: EventView[]): WaitingFor | undefined =>
  fromStatus(pod) ?? fromEvents(pod, events);

const imageTrouble = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
]);
// The image is there, but the program is not in it (such as no `sh`), or it ends at once.
const startTrouble = new Set(['CrashLoopBackOff', 'RunContainerError', 'CreateContainerError', 'StartError']);

function fromStatus({ metadata, status }: PodView): WaitingFor | undefined {
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') {
    const message = withoutPreemption(scheduled.message ?? 'no node takes the pod');
    const bound = metadata.annotations?.[boundAnnotation];
    return {
      reason: 'Unschedulable',
      message: bound === undefined ? message : `${message} (it must run where ${bound})`,
    };
  }
  for (const { image, state, lastState } of [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
  ]) {
    const { reason = '', message } = state?.waiting ?? state?.terminated ?? {};
    const because = message ?? lastState?.terminated?.message ?? lastState?.terminated?.reason ?? reason;
    if (imageTrouble.has(reason)) return { reason: 'ImageUnavailable', message: `image ${image}: ${because}` };
    if (startTrouble.has(reason)) {
      return {
        reason: 'ImageUnavailable',
        message: `image ${image} does not start: ${lastWords(lastState) ?? because}`,
      };
    }
    if (reason === 'CreateContainerConfigError') return { reason: 'PodRefused', message: because };
  }
  return undefined;
}

// A word on devices, and that ending other pods would not help either, node by node: nothing to act on.
const withoutPreemption = (message: string): string =>
  message.replace(/(\.? no new claims to deallocate,)?\.? preemption: .*$/s, '').replace(/\.$/, '');

// "back-off 10s restarting failed container" tells nothing; how it ended the last time does.
function lastWords(lastState: ContainerState | undefined): string | undefined {
  const ended = lastState?.terminated;
  return ended && (ended.message || `${ended.reason ?? 'it ended'} (code ${ended.exitCode})`);
}

function fromEvents(pod: PodView, events: EventView[]): WaitingFor | undefined {
  const failed = latest(events.filter(({ reason }) => reason === 'FailedMount' || reason === 'FailedAttachVolume'));
  if (failed?.message === undefined) return undefined;
  return missingSecret(pod, failed.message) ?? { reason: 'PodRefused', message: failed.message };
}

/**
 * The operator may not read Secrets, but the kubelet says what it did not find:
 * `MountVolume.SetUp failed for volume "secret-0" : secret "shop-backup" not found`, and
 * `MountVolume.SetUp failed for volume "secret-0" : references non-existent secret key: password`.
 */
function missingSecret(pod: PodView, message: string): WaitingFor | undefined {
  const [, secret] = /secret "([^"]+)" not found/.exec(message) ?? [];
  if (secret !== undefined) {
    return { reason: 'SecretMissing', message: `there is no secret "${secret}" in this namespace` };
  }
  const [, key] = /references non-existent secret key: (\S+)/.exec(message) ?? [];
  if (key === undefined) return undefined;
  const [, volume] = /for volume "([^"]+)"/.exec(message) ?? [];
  const name = pod.spec.volumes?.find((one) => one.name === volume)?.secret?.secretName;
  return { reason: 'SecretMissing', message: `secret "${name ?? '?'}" has no key "${key}"` };
}

function latest(events: EventView[]): EventView | undefined {
  const at = ({ series, lastTimestamp, eventTime, metadata }: EventView): number =>
    Date.parse(series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp);
  return [...events].sort((a, b) => at(b) - at(a))[0];
}
