import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { Fault } from '../../base/fault.ts';
import { layout, podRoot } from '../../contract/layout.ts';
import { toolLoop } from '../../contract/tool-loop.ts';
import type { Resources, TaskSpec } from '../runner.ts';

export interface PodSettings {
  /** Our own image. */
  image: string;
  /** Both containers run as this user and group. */
  runAsUser: number;
  agentResources: Resources;
  toolResources: Resources;
  /** Of the namespace of each task; its token is never mounted. Left out: the one called default. */
  serviceAccountName?: string | undefined;
  /** Time between TERM and KILL. */
  gracePeriodSeconds: number;
  /** A finished Job that nobody removed goes after this time. Long: the operator may have been away for a weekend. */
  keepFinishedSeconds: number;
}

export const podDefaults: Omit<PodSettings, 'image'> = {
  runAsUser: 65_532,
  agentResources: { requests: { cpu: '100m', memory: '256Mi' } },
  toolResources: { requests: { cpu: '100m', memory: '64Mi' } },
  gracePeriodSeconds: 30,
  keepFinishedSeconds: 7 * 86_400,
};

export const agentContainer = 'agent';
export const toolContainer = 'tool';

/** On every Job and pod of ours; what is watched. */
export const taskLabels = {
  'app.kubernetes.io/managed-by': 'backstay',
  'app.kubernetes.io/component': 'task',
} as const;
export const taskSelector = Object.entries(taskLabels)
  .map(([name, value]) => `${name}=${value}`)
  .join(',');
/** The name the task was started under; the Job's own may be a shortened one. */
export const taskNameAnnotation = 'backstay.dev/task-name';
const taskAnnotation = 'backstay.dev/task';
/** The deadline of a Job that is to stop. */
export const stopSeconds = 1;
/** Why the pod can run on one node only; said when it does not start. */
export const boundAnnotation = 'backstay.dev/bound-to-node';

/** The one node where a pod can run, and why. */
export interface NodeBound {
  node: string;
  why: string;
}

// A pod carries the name of its Job as a label, and a label ends at 63 characters.
const longestJobName = 63;

/** The name of the task, or what fits of it with a digest of the whole. */
export function jobName(taskName: string): string {
  if (taskName.length <= longestJobName) return taskName;
  const digest = createHash('sha256').update(taskName).digest('hex').slice(0, 10);
  return `${taskName.slice(0, longestJobName - 11).replace(/[^a-z0-9]+$/, '')}-${digest}`;
}

/**
 * The Job of a task, for a namespace under restricted Pod Security. Pure: the same spec always makes the same Job.
 * `bound`: the one node where it can run. Throws SpecInvalid when a tool is wanted and no image named.
 *
 * No init container prepares the work directory: fsGroup makes an emptyDir writable for the group, with the set-group-id
 * bit, so that what one of the two containers makes the other can use.
 */
export function buildJob(spec: TaskSpec, settings: PodSettings, bound?: NodeBound): object {
  const { name, namespace, owner, pod = {} } = spec;
  const labels = { ...taskLabels, 'backstay.dev/owner-uid': owner.uid };
  const { runAsUser } = settings;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobName(name),
      namespace,
      labels,
      annotations: { [taskNameAnnotation]: name },
      ownerReferences: [owner],
    },
    spec: {
      // The operator decides on another attempt: it knows whether the store already has the outcome.
      backoffLimit: 0,
      // Never two pods of one Job at a time, not even while the first is still ending.
      podReplacementPolicy: 'Failed',
      ttlSecondsAfterFinished: settings.keepFinishedSeconds,
      template: {
        metadata: {
          labels,
          annotations: {
            [taskNameAnnotation]: name,
            [taskAnnotation]: JSON.stringify(spec.task(podRoot)),
            ...(bound !== undefined && { [boundAnnotation]: bound.why }),
          },
        },
        spec: {
          restartPolicy: 'Never',
          // Of the pod and not of the Job: a Job past its deadline deletes the pod, and with it the report.
          activeDeadlineSeconds: Math.max(1, Math.ceil(spec.runningMs / 1000)),
          terminationGracePeriodSeconds: settings.gracePeriodSeconds,
          ...(settings.serviceAccountName !== undefined && { serviceAccountName: settings.serviceAccountName }),
          automountServiceAccountToken: false,
          ...(pod.nodeSelector !== undefined && { nodeSelector: pod.nodeSelector }),
          ...(pod.tolerations !== undefined && { tolerations: pod.tolerations }),
          ...(pod.priorityClassName !== undefined && { priorityClassName: pod.priorityClassName }),
          ...(pod.imagePullSecrets !== undefined && { imagePullSecrets: pod.imagePullSecrets }),
          ...(bound !== undefined && { affinity: affinityTo(bound.node) }),
          enableServiceLinks: false,
          securityContext: {
            runAsNonRoot: true,
            runAsUser,
            runAsGroup: runAsUser,
            fsGroup: runAsUser,
            // A claim full of backups is not walked through at every run.
            fsGroupChangePolicy: 'OnRootMismatch',
            seccompProfile: { type: 'RuntimeDefault' },
          },
          ...(spec.tool !== undefined && { initContainers: [toolOf(spec.tool, spec, settings)] }),
          containers: [agentOf(spec, settings)],
          volumes: volumesOf(spec),
        },
      },
    },
  };
}

/** By the scheduler and not by `nodeName`, which would go past it: so a node that is full or gone is told as such. */
function affinityTo(node: string): object {
  const matchFields = [{ key: 'metadata.name', operator: 'In', values: [node] }];
  return { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] } } };
}

const under = (...parts: string[]): string => posix.join(podRoot, ...parts);

const containerSecurity = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

/** A native sidecar: it starts first, and the pod ends when the agent ends. It is given no secret. */
function toolOf({ image }: { image?: string }, { pod }: TaskSpec, { toolResources }: PodSettings): object {
  if (image === undefined) {
    throw new Fault('SpecInvalid', 'no image with the database tool is named', {
      where: 'spec.toolImages',
      hint: 'Name an image that has the tool, such as the one the server runs.',
    });
  }
  return {
    name: toolContainer,
    image,
    imagePullPolicy: 'IfNotPresent',
    restartPolicy: 'Always',
    command: ['sh', '-c', toolLoop, 'tool-loop', under(layout.work)],
    // The user id has no home in the image, and some tools look for one.
    env: [{ name: 'HOME', value: '/tmp' }],
    resources: pod?.resources?.tool ?? toolResources,
    securityContext: containerSecurity,
    volumeMounts: [
      { name: 'work', mountPath: under(layout.work) },
      { name: 'private', mountPath: under(layout.private) },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

function agentOf({ tool, secrets, volumes, pod }: TaskSpec, { image, agentResources }: PodSettings): object {
  return {
    name: agentContainer,
    image,
    imagePullPolicy: 'IfNotPresent',
    args: ['agent', '--root', podRoot],
    terminationMessagePath: under(layout.report),
    terminationMessagePolicy: 'File',
    resources: pod?.resources?.agent ?? agentResources,
    securityContext: containerSecurity,
    // Mounts lie inside of each other; the runtime makes them in the order of their depth.
    volumeMounts: [
      { name: 'root', mountPath: podRoot },
      { name: 'task', mountPath: under(layout.task), subPath: layout.task, readOnly: true },
      ...(tool === undefined ? [] : [{ name: 'work', mountPath: under(layout.work) }]),
      ...secrets.map(({ mount }, at) => ({
        name: secretVolume(at),
        mountPath: under(layout.secrets, mount),
        readOnly: true,
      })),
      ...volumes.map(({ path }, at) => ({ name: claimVolume(at), mountPath: path })),
    ],
  };
}

function volumesOf({ tool, secrets, volumes }: TaskSpec): object[] {
  return [
    { name: 'root', emptyDir: { sizeLimit: '16Mi' } },
    {
      name: 'task',
      downwardAPI: {
        items: [{ path: layout.task, fieldRef: { fieldPath: `metadata.annotations['${taskAnnotation}']` } }],
      },
    },
    ...(tool === undefined
      ? []
      : [
          { name: 'work', emptyDir: {} },
          { name: 'private', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
          { name: 'tmp', emptyDir: {} },
        ]),
    ...secrets.map(({ secretName, keys }, at) => ({
      name: secretVolume(at),
      secret: {
        secretName,
        defaultMode: 0o440,
        items: Object.entries(keys).map(([key, path]) => ({ key, path })),
      },
    })),
    ...volumes.map(({ claimName }, at) => ({ name: claimVolume(at), persistentVolumeClaim: { claimName } })),
  ];
}

const secretVolume = (at: number): string => `secret-${at}`;
const claimVolume = (at: number): string => `claim-${at}`;
