import type { ObjectKey } from './resource.ts';

/** What a database server runs as. */
export interface WorkloadRef extends ObjectKey {
  kind: 'StatefulSet' | 'Deployment';
}

/** Which of the containers of its pods is the server. */
export interface WhichContainer {
  /** Left out: the only one, or the one that exposes `port`. */
  name?: string | undefined;
  port: number;
}

/** The port to the servers that Backstay does not own. Kubernetes only. */
export interface Workloads {
  /**
   * The image that the server runs now, by its digest where the node knows one. Throws ReferenceMissing when there is no
   * such workload, WorkloadNotRunning when none of its pods runs, SpecInvalid with the names of the containers when it
   * cannot tell which of them is the server, ObjectsError when the cluster does not answer.
   */
  runningImage(workload: WorkloadRef, which: WhichContainer): Promise<string>;
}
