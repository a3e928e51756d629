import type { ObjectKey } from '../resource.ts';
import { taskNameAnnotation, taskSelector } from './job.ts';
import type { RawObject } from './list.ts';
import { scopesOf } from './objects.ts';
import { jobsPath, podsPath } from './paths.ts';
import { type ReflectorOptions, reflect } from './reflector.ts';

type Options = Pick<ReflectorOptions<never>, 'client' | 'clock' | 'random' | 'log' | 'timings'>;

/**
 * Calls back with the name of a task whose Job or pod may have changed. However many listen, there is one watch of Jobs and
 * one of pods (in each namespace); only names are kept of them. They end with the last listener.
 */
export class TaskWatch {
  readonly #options: Options;
  readonly #namespaces: readonly string[] | undefined;
  readonly #listeners = new Set<(task: ObjectKey) => void>();
  #running: { synced: Promise<unknown>; stop: AbortController } | undefined;

  constructor(options: Options, namespaces: readonly string[] | undefined) {
    this.#options = options;
    this.#namespaces = namespaces;
  }

  /** Resolves when every change from now on will be told, or at the abort. */
  async listen(listener: (task: ObjectKey) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#leave(listener), { once: true });
    this.#running ??= this.#start();
    await this.#running.synced;
  }

  #leave(listener: (task: ObjectKey) => void): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    this.#running?.stop.abort();
    this.#running = undefined;
  }

  #start() {
    const stop = new AbortController();
    const tell = ({ object }: { object: ObjectKey }): void => {
      for (const listener of this.#listeners) listener(object);
    };
    const query = { labelSelector: taskSelector };
    const synced = Promise.all(
      scopesOf(this.#namespaces)
        .flatMap((namespace) => [jobsPath, podsPath].map((pathIn) => ({ namespace, path: pathIn(namespace) })))
        .map((place) => reflect({ ...this.#options, ...place, query, keep: taskOf, onChange: tell }, stop.signal)),
    );
    return { synced, stop };
  }
}

function taskOf({ metadata }: RawObject): ObjectKey {
  const { annotations } = metadata as { annotations?: Record<string, string> };
  return { namespace: metadata.namespace ?? '', name: annotations?.[taskNameAnnotation] ?? metadata.name };
}
