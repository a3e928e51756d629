import type { Progress } from '../contract/progress.ts';
import type { Report } from '../contract/report.ts';
import type { Task } from '../contract/task.ts';
import type { ObjectKey, OwnerReference } from './resource.ts';

/**
 * The port that makes a task run: a Job in a cluster, a detached process group on one machine. A task outlives the
 * operator that started it. One contract suite runs against both implementations.
 */
export interface Runner {
  /**
   * Starts the task unless one of this name was started before, however it ended: then nothing happens. So a caller who
   * does not know whether the first call arrived just calls again. Throws NotSupportedHere for what this
   * implementation cannot do, ObjectsError when the cluster refuses or does not answer.
   */
  start(spec: TaskSpec): Promise<void>;

  /** How the task stands. `absent`: none of this name was ever started, or it was removed. */
  observe(key: ObjectKey): Promise<Observation>;

  /** Makes the task end (TERM, then KILL after a grace time). Idempotent; `observe` says when it has ended. */
  stop(key: ObjectKey): Promise<void>;

  /** Removes every trace of a task; one that still runs is stopped first. Idempotent. */
  remove(key: ObjectKey): Promise<void>;

  /** Calls `onChange` with the name of a task whenever it may have changed, until aborted. Calls may be spurious; a caller also looks by itself now and then. */
  watch(onChange: (key: ObjectKey) => void, signal: AbortSignal): Promise<void>;
}

export interface TaskSpec {
  /** Deterministic: the same attempt of the same object always has the same name. */
  name: string;
  namespace: string;
  owner: OwnerReference;
  /** `secrets/<mount>/<key>` of the task appear under its root as these secrets. */
  secrets: SecretMount[];
  /** The task with every path under `root`, which only the implementation knows. */
  task: (root: string) => Task;
  tool: { image?: string } | undefined;
  /** A volume claim to mount, read-write, at `path`. Kubernetes only. */
  volumes: { claimName: string; path: string }[];
  /** What the user says about the pod. Kubernetes only. */
  pod?: PodOptions | undefined;
  /** The task is stopped after this time, whatever it does; the agent itself stops a little earlier, at its deadline. */
  runningMs: number;
}

/** Fields of a pod that users may set, in the form of Kubernetes. */
export interface PodOptions {
  nodeSelector?: Record<string, string> | undefined;
  tolerations?: object[] | undefined;
  priorityClassName?: string | undefined;
  imagePullSecrets?: { name: string }[] | undefined;
  /** For each container the whole of its resources, in the place of what the operator would give it. */
  resources?: { agent?: Resources | undefined; tool?: Resources | undefined } | undefined;
}

export interface Resources {
  requests?: Record<string, string | undefined> | undefined;
  limits?: Record<string, string | undefined> | undefined;
}

export interface SecretMount {
  mount: string;
  secretName: string;
  /** Key in the secret -> file name under the mount. */
  keys: Record<string, string>;
}

export type Observation =
  | { state: 'absent' }
  /** Not begun yet; `waitingFor` is what it waits for, when that is known, such as a missing secret or an image. */
  | {
      state: 'starting';
      waitingFor?: { reason: 'SecretMissing' | 'ImageUnavailable' | 'Unschedulable' | 'PodRefused'; message: string };
    }
  | { state: 'running'; progress?: Progress }
  /** Over. Without a report the outcome is unknown: it must be inspected, never taken for a failure. `detail` says how it ended. */
  | { state: 'ended'; report?: Report; detail: string };
