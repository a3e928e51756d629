import { type ObjectChange, type ObjectEvent, type Objects, ObjectsError } from '../../../src/cluster/objects.ts';
import type { Resource } from '../../../src/cluster/resource.ts';

/** One object in memory, for tests of what stands above the port; the contract suite does not run against it. */
export class MemoryObjects implements Objects {
  object: Resource | undefined;
  events: ObjectEvent[] = [];
  writes = 0;
  /** Thrown by the next calls, one each. */
  failures: Error[] = [];
  /** How a change reaches the watches: at once, or when the test says so. */
  deliver = (call: () => void): void => call();
  #version = 1;
  #listeners = new Set<(change: ObjectChange) => void>();

  constructor(object?: Resource) {
    this.object = object;
  }

  set(change: Partial<Resource>): void {
    if (this.object === undefined) throw new Error('no object');
    const metadata = { ...this.object.metadata, ...change.metadata, resourceVersion: `v${++this.#version}` };
    this.object = { ...this.object, ...change, metadata };
    const told: ObjectChange = { type: 'present', object: this.object };
    for (const listener of this.#listeners) this.deliver(() => listener(told));
  }

  clusterId = async (): Promise<string> => 'memory';
  get = async (): Promise<Resource | undefined> => {
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    return structuredClone(this.object);
  };
  list = async (): Promise<Resource[]> => (this.object === undefined ? [] : [structuredClone(this.object)]);
  listRunsOf = (): Promise<Resource[]> => this.list();
  isCurrent = async ({ metadata }: Resource): Promise<boolean> =>
    this.object?.metadata.resourceVersion === metadata.resourceVersion;
  watch = async (_kind: unknown, onChange: (change: ObjectChange) => void, signal: AbortSignal): Promise<void> => {
    this.#listeners.add(onChange);
    signal.addEventListener('abort', () => this.#listeners.delete(onChange));
    if (this.object !== undefined) onChange({ type: 'present', object: this.object });
  };
  create = (): Promise<Resource> => Promise.reject(new Error('not in this test'));
  replaceFinalizers = this.create;
  delete = async (): Promise<void> => {
    this.object = undefined;
  };
  replaceStatus = async (seen: Resource, status: object): Promise<Resource> => {
    if (this.object === undefined) throw new ObjectsError('NotFound', 'gone');
    if (seen.metadata.resourceVersion !== this.object.metadata.resourceVersion) {
      throw new ObjectsError('Conflict', 'written meanwhile');
    }
    this.writes++;
    this.set({ status });
    return structuredClone(this.object);
  };
  recordEvent = async (_object: Resource, event: ObjectEvent): Promise<void> => {
    this.events.push(event);
  };
}

export const sampleRun = (): Resource => ({
  apiVersion: 'backstay.dev/v1alpha1',
  kind: 'BackupRun',
  metadata: {
    name: 'run',
    namespace: 'prod',
    uid: 'u',
    resourceVersion: 'v1',
    generation: 3,
    creationTimestamp: '2026-01-01T00:00:00Z',
  },
  spec: {},
});
