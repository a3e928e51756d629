import { apiVersion } from '../../api/names.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { type ObjectChange, type ObjectEvent, type Objects, ObjectsError } from '../objects.ts';
import {
  type Draft,
  type Kind,
  keyOf,
  type Metadata,
  type ObjectKey,
  policyNameOf,
  type Resource,
} from '../resource.ts';
import { type Home, readClusterId } from './cluster-id.ts';
import { EventRecorder } from './event-recorder.ts';
import type { ApiClient, ApiRequest } from './http.ts';
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
  /** Only these are listed and watched, each by itself, so that rights in them are enough. None: all, in one. */
  namespaces?: readonly string[];
  /** Where the operator itself lives; left out: the identity of the cluster is that of kube-system. */
  home?: Home;
  timings?: ReflectorTimings;
}

// A field that the served CRD does not know must be an error here: the server would drop it and answer 200.
const strict = { fieldValidation: 'Strict' };

/** Our kinds in an API server, asked live at every call. */
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

  async clusterId(): Promise<string> {
    this.#clusterId ??= await readClusterId(this.#client, this.#options.namespaces ?? [], this.#options.home);
    return this.#clusterId;
  }

  async get(kind: Kind, key: ObjectKey): Promise<Resource | undefined> {
    const raw = await unlessGone(this.#client.json<RawObject>({ method: 'GET', path: objectPath(kind, key) }));
    return raw && keptOf(kind)(raw);
  }

  async list(kind: Kind, namespace?: string): Promise<Resource[]> {
    const scopes = namespace === undefined ? scopesOf(this.#options.namespaces) : [namespace];
    const listOf = (scope: string | undefined) =>
      listAll(this.#client, kindPath(kind, scope), {}, undefined, keptOf(kind));
    return (await Promise.all(scopes.map(listOf))).flatMap(({ items }) => items);
  }

  async listRunsOf({ namespace, name }: ObjectKey): Promise<Resource[]> {
    return (await this.list('BackupRun', namespace)).filter((run) => policyNameOf(run) === name);
  }

  async isCurrent({ kind, metadata }: Resource): Promise<boolean> {
    const now = await this.get(kind, metadata);
    return now?.metadata.uid === metadata.uid && now.metadata.resourceVersion === metadata.resourceVersion;
  }

  async watch(kind: Kind, onChange: (change: ObjectChange) => void, signal: AbortSignal): Promise<void> {
    const keep = keptOf(kind);
    const follow = (scope: string | undefined): Promise<void> =>
      reflect({ ...this.#options, path: kindPath(kind, scope), namespace: scope, keep, onChange }, signal);
    await Promise.all(scopesOf(this.#options.namespaces).map(follow));
  }

  create({ kind, metadata, spec }: Draft): Promise<Resource> {
    return this.#write(kind, {
      method: 'POST',
      path: kindPath(kind, metadata.namespace),
      query: strict,
      body: { apiVersion, kind, metadata, spec },
    });
  }

  replaceStatus(object: Resource, status: object): Promise<Resource> {
    const { name, namespace, uid, resourceVersion } = object.metadata;
    return this.#write(object.kind, {
      method: 'PUT',
      path: `${objectPath(object.kind, keyOf(object))}/status`,
      query: strict,
      body: { apiVersion, kind: object.kind, metadata: { name, namespace, uid, resourceVersion }, status },
    });
  }

  // The whole list with the version it was read at: without the version a stale list drops somebody else's finalizer.
  replaceFinalizers(object: Resource, finalizers: string[]): Promise<Resource> {
    const { resourceVersion } = object.metadata;
    return this.#write(object.kind, {
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

  async #write(kind: Kind, request: ApiRequest): Promise<Resource> {
    return keptOf(kind)(await this.#client.json<RawObject>(request));
  }
}

/** What is listed and watched by itself: each of the namespaces, or all of them in one. */
export const scopesOf = (namespaces: readonly string[] = []): readonly (string | undefined)[] =>
  namespaces.length === 0 ? [undefined] : namespaces;

/**
 * What is kept of an object. The items of a typed list come without their kind; who wrote which field is half of an
 * object's size, and nobody here asks.
 */
export const keptOf =
  (kind: Kind) =>
  (raw: RawObject): Resource => {
    const { managedFields: _unread, ...metadata } = (raw as Resource).metadata as Metadata & { managedFields?: object };
    return { ...(raw as Resource), apiVersion, kind, metadata };
  };

/** NotFound is an answer here and not a failure. */
export async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ObjectsError && error.code === 'NotFound') return undefined;
    throw error;
  }
}
