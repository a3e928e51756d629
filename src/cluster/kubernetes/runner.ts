import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import type { Progress } from '../../contract/progress.ts';
import { ObjectsError } from '../objects.ts';
import type { ObjectKey } from '../resource.ts';
import type { Observation, Runner, TaskSpec } from '../runner.ts';
import { AgentLog } from './agent-log.ts';
import { type ClaimUserView, type ClaimView, nodeBoundOf } from './claims.ts';
import type { ApiClient } from './http.ts';
import { buildJob, jobName, type NodeBound, type PodSettings, stopSeconds, taskNameAnnotation } from './job.ts';
import { listAll } from './list.ts';
import { unlessGone } from './objects.ts';
import { type EventView, type JobView, needsEvents, newest, observationOf, type PodView } from './observation.ts';
import { claimPath, coreEventsPath, jobPath, jobsPath, podsPath } from './paths.ts';
import type { ReflectorTimings } from './reflector.ts';
import { TaskWatch } from './task-watch.ts';

export interface KubernetesRunnerOptions {
  client: ApiClient;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  log: Logger;
  pod: PodSettings;
  /** Only Jobs and pods of these are watched, so that rights in them are enough. None: all. */
  namespaces?: readonly string[];
  timings?: ReflectorTimings;
  /** How often at most the progress of a task is read out of its log. */
  progressMs?: number;
  /** How long after its deletion was due a pod is given up whose node does not confirm the end; a minute when left out. */
  unconfirmedMs?: number;
}

/** A misspelt field is refused, and the Job says which of its fields are ours. */
const asOurs = { fieldValidation: 'Strict', fieldManager: 'backstay' };

/** A task is a Job. Every question goes to the API server: a cache would miss the Job that was just made. */
export class KubernetesRunner implements Runner {
  readonly #options: KubernetesRunnerOptions;
  readonly #client: ApiClient;
  readonly #log: AgentLog;
  readonly #watch: TaskWatch;

  constructor(options: KubernetesRunnerOptions) {
    this.#options = options;
    this.#client = options.client;
    const { client, clock, progressMs = 10_000 } = options;
    this.#log = new AgentLog(client, clock, progressMs);
    this.#watch = new TaskWatch(options, options.namespaces);
  }

  // Created and not applied: only a creation is refused when there is a Job already (docs/adr/0021).
  async start(spec: TaskSpec): Promise<void> {
    const body = buildJob(spec, this.#options.pod, await this.#nodeBoundOf(spec));
    try {
      await this.#client.json({
        method: 'POST',
        path: jobsPath(spec.namespace),
        query: asOurs,
        body,
      });
    } catch (error) {
      if (!(error instanceof ObjectsError)) throw error;
      // No waiting helps against what the server says is no Job, such as a limit below its request.
      if (error.code === 'Invalid')
        throw new Fault('PodRefused', `the job is refused: ${error.message}`, { cause: error });
      if (error.code !== 'AlreadyExists') throw error;
      await this.#adopt(spec);
    }
  }

  async observe(key: ObjectKey): Promise<Observation> {
    const job = await this.#job(key);
    if (job === undefined) return { state: 'absent' };
    const pods = await this.#podsOf(job);
    const subject = newest(pods) ?? job;
    const events = needsEvents(pods) ? await this.#eventsAbout(key.namespace, subject.metadata.uid) : [];
    const seen = observationOf(job, pods, events, this.#options.clock.nowMs(), this.#options.unconfirmedMs);
    const progress = await this.#progressOf(key.namespace, seen, newest(pods));
    return progress === undefined ? seen : { state: 'running', progress };
  }

  // A Job past its deadline ends its pod with TERM and stays, so that it is still known that it was started. Applied, so
  // that a deadline that somebody else gave it is overruled and all else is left alone; to this very Job or to none.
  async stop(key: ObjectKey): Promise<void> {
    const job = await this.#job(key);
    if (job === undefined) return;
    const { name, namespace, uid } = job.metadata;
    try {
      await this.#client.json({
        method: 'PATCH',
        path: pathOf(key),
        query: { ...asOurs, force: 'true' },
        contentType: 'application/apply-patch+yaml',
        body: {
          apiVersion: 'batch/v1',
          kind: 'Job',
          metadata: { name, namespace, uid },
          spec: { activeDeadlineSeconds: stopSeconds },
        },
      });
    } catch (error) {
      if ((await this.#job(key))?.metadata.uid === uid) throw error;
    }
  }

  // In the foreground: the Job stays until its pod has ended, so that "absent" means that nothing works any more.
  async remove(key: ObjectKey): Promise<void> {
    const job = await this.#job(key);
    if (job === undefined) return;
    await unlessGone(
      this.#client.json({
        method: 'DELETE',
        path: pathOf(key),
        body: { propagationPolicy: 'Foreground', preconditions: { uid: job.metadata.uid } },
      }),
    );
  }

  watch(onChange: (key: ObjectKey) => void, signal: AbortSignal): Promise<void> {
    return this.#watch.listen(onChange, signal);
  }

  /** A claim that is not there is the scheduler's to name: the pod waits for it. */
  async #nodeBoundOf({ namespace, volumes }: TaskSpec): Promise<NodeBound | undefined> {
    if (volumes.length === 0) return undefined;
    const claims = await Promise.all(
      volumes.map(({ claimName }) =>
        unlessGone(this.#client.json<ClaimView>({ method: 'GET', path: claimPath(namespace, claimName) })),
      ),
    );
    const { items } = await listAll(this.#client, podsPath(namespace));
    return nodeBoundOf(
      claims.filter((claim) => claim !== undefined),
      items as unknown as ClaimUserView[],
    );
  }

  async #adopt({ namespace, name, owner }: TaskSpec): Promise<void> {
    const path = pathOf({ namespace, name });
    const job = await unlessGone(this.#client.json<JobView>({ method: 'GET', path }));
    const isLeaving = job === undefined || job.metadata.deletionTimestamp !== undefined;
    if (!isLeaving && job.metadata.ownerReferences?.some(({ uid }) => uid === owner.uid)) return;
    const where = `job ${namespace}/${jobName(name)}`;
    throw new ObjectsError(
      'Conflict',
      isLeaving
        ? `${where} of an earlier start is still being removed`
        : `${where} exists and does not belong to ${owner.kind} ${owner.name}: delete it, or wait until it is gone`,
    );
  }

  /** Somebody else's Job of the same name is none of ours: it is neither read nor ended. */
  async #job(key: ObjectKey): Promise<JobView | undefined> {
    const job = await unlessGone(this.#client.json<JobView>({ method: 'GET', path: pathOf(key) }));
    return job?.metadata.annotations?.[taskNameAnnotation] === key.name ? job : undefined;
  }

  async #progressOf(namespace: string, seen: Observation, pod: PodView | undefined): Promise<Progress | undefined> {
    return seen.state === 'running' && pod !== undefined
      ? this.#log.progressOf({ namespace, ...pod.metadata })
      : undefined;
  }

  async #podsOf({ metadata: { namespace, uid } }: JobView): Promise<PodView[]> {
    const { items } = await this.#client.json<{ items: PodView[] }>({
      method: 'GET',
      path: podsPath(namespace),
      query: { labelSelector: `batch.kubernetes.io/controller-uid=${uid}` },
    });
    return items;
  }

  async #eventsAbout(namespace: string, uid: string): Promise<EventView[]> {
    const { items } = await this.#client.json<{ items: EventView[] }>({
      method: 'GET',
      path: coreEventsPath(namespace),
      query: { fieldSelector: `involvedObject.uid=${uid}`, limit: '200' },
    });
    return items;
  }
}

const pathOf = ({ namespace, name }: ObjectKey): string => jobPath({ namespace, name: jobName(name) });
