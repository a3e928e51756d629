import { apiVersion } from '../../api/names.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { type ObjectChange, type ObjectEvent, type Objects, ObjectsError } from '../objects.ts';
import { type Draft, type Kind, keyOf, type ObjectKey, type Resource } from '../resource.ts';
import { EventRecorder } from './event-recorder.ts';
import type { ApiClient } from './http.ts';
import { listAll, type RawObject } from './list.ts';
import { kindPath, objectPath } from './paths.ts';
import { type ReflectorTimings, reflect } from './reflector.ts';

export interface KubernetesObjectsOptions {
  client: ApiClient;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  log: Logger;
  /** Names this process in events. */
  instance: string;
  timings?: ReflectorTimings;
}

// A field that the served CRD does not know must be an error here: the server would drop it and answer 200.
const strict = { fieldValidation: 'Strict' };

/** Our three kinds in an API server. */
export class KubernetesObjects implements Objects {
  readonly #options: KubernetesObjectsOptions;
  readonly #client: ApiClient;
  readonly #recorder: EventRecorder;
  #clusterId: string | undefined;

  constructor(options: KubernetesObjectsOptions) {
    this.#options = options;
    this.#client = options.client;
    this.#recorder = new EventRecorder(options);
  }

  /** The UID of kube-system: every cluster has this namespace, made once with the cluster. */
  async clusterId(): Promise<string> {
    this.#clusterId ??= (
      await this.#client.json<RawObject>({ method: 'GET', path: '/api/v1/namespaces/kube-system' })
    ).metadata.uid;
    return this.#clusterId;
  }

  async get(kind: Kind, key: ObjectKey): Promise<Resource | undefined> {
    return unlessGone(this.#client.json<Resource>({ method: 'GET', path: objectPath(kind, key) }));
  }

  async list(kind: Kind, namespace?: string): Promise<Resource[]> {
    const { items } = await listAll(this.#client, kindPath(kind, namespace));
    return items.map(withKind(kind));
  }

  watch(kind: Kind, onChange: (change: ObjectChange) => void, signal: AbortSignal): Promise<void> {
    return reflect({ ...this.#options, path: kindPath(kind), keep: withKind(kind), onChange }, signal);
  }

  create({ kind, metadata, spec }: Draft): Promise<Resource> {
    return this.#client.json<Resource>({
      method: 'POST',
      path: kindPath(kind, metadata.namespace),
      query: strict,
      body: { apiVersion, kind, metadata, spec },
    });
  }

  replaceStatus(object: Resource, status: object): Promise<Resource> {
    const { name, namespace, uid, resourceVersion } = object.metadata;
    return this.#client.json<Resource>({
      method: 'PUT',
      path: `${objectPath(object.kind, keyOf(object))}/status`,
      query: strict,
      body: { apiVersion, kind: object.kind, metadata: { name, namespace, uid, resourceVersion }, status },
    });
  }

  // The whole list with the version it was read at: without the version a stale list drops somebody else's finalizer.
  replaceFinalizers(object: Resource, finalizers: string[]): Promise<Resource> {
    const { resourceVersion } = object.metadata;
    return this.#client.json<Resource>({
      method: 'PATCH',
      path: objectPath(object.kind, keyOf(object)),
      query: strict,
      body: { metadata: { resourceVersion, finalizers } },
    });
  }

  async delete(kind: Kind, key: ObjectKey): Promise<void> {
    await unlessGone(
      this.#client.json({ method: 'DELETE', path: objectPath(kind, key), body: { propagationPolicy: 'Background' } }),
    );
  }

  recordEvent(object: Resource, event: ObjectEvent): Promise<void> {
    return this.#recorder.record(object, event);
  }
}

// The items of a typed list come without these two.
const withKind =
  (kind: Kind) =>
  (raw: RawObject): Resource => ({ ...(raw as Resource), apiVersion, kind });

/** NotFound is an answer here and not a failure. */
export async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ObjectsError && error.code === 'NotFound') return undefined;
    throw error;
  }
}
