import { systemClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/log.ts';
import { connectByKubeconfig } from '../../src/cluster/kubernetes/connect.ts';
import { ApiClient } from '../../src/cluster/kubernetes/http.ts';
import type { RawObject } from '../../src/cluster/kubernetes/list.ts';
import { reflect } from '../../src/cluster/kubernetes/reflector.ts';
import type { SettledCluster } from './cluster/cluster.ts';

/** All that anybody may read without the right to read Secrets. */
const places = [
  '/api/v1/namespaces/NAMESPACE/pods',
  '/api/v1/namespaces/NAMESPACE/events',
  '/api/v1/namespaces/NAMESPACE/configmaps',
  '/apis/batch/v1/namespaces/NAMESPACE/jobs',
  '/apis/backstay.dev/v1alpha1/namespaces/NAMESPACE/backuppolicies',
  '/apis/backstay.dev/v1alpha1/namespaces/NAMESPACE/backupruns',
  '/apis/backstay.dev/v1alpha1/namespaces/NAMESPACE/restorerequests',
];

/**
 * Looks at every version of every object of a namespace, for as long as it is open, for words that must not be there:
 * as they are and in base64. An object that lives for a second is seen, too.
 */
export class SecretWatch {
  readonly #client: ApiClient;
  readonly #abort = new AbortController();
  readonly #found = new Set<string>();
  readonly #words = new Map<string, string>();
  #versions = 0;

  private constructor(cluster: SettledCluster) {
    const { kubeconfigPath, context } = cluster;
    this.#client = new ApiClient(
      connectByKubeconfig({ path: kubeconfigPath, ...(context !== undefined && { context }) }),
      systemClock,
    );
  }

  /** Resolves when it looks at all there is. */
  static async open(cluster: SettledCluster, namespace: string): Promise<SecretWatch> {
    const watch = new SecretWatch(cluster);
    await Promise.all(
      places.map((place) =>
        reflect(
          {
            client: watch.#client,
            clock: systemClock,
            random: Math.random,
            log: createLogger('silent', process.stderr),
            path: place.replace('NAMESPACE', namespace),
            keep: (raw: RawObject) => raw,
            onChange: ({ object }) => watch.#look(place, object),
          },
          watch.#abort.signal,
        ),
      ),
    );
    return watch;
  }

  /** From now on this word must not be anywhere; `name` stands for it in messages. */
  guard(name: string, word: string): void {
    this.#words.set(word, name);
    this.#words.set(Buffer.from(word).toString('base64').replace(/=*$/, ''), `${name} in base64`);
  }

  /** Looks at a text, too, such as a log. */
  lookAt(where: string, text: string): void {
    for (const [word, name] of this.#words) if (text.includes(word)) this.#found.add(`${where}: ${name}`);
  }

  /** Where a word was found. Throws when the watch saw nothing at all: then it has proven nothing. */
  close(): string[] {
    this.#abort.abort();
    this.#client.close();
    if (this.#versions === 0) throw new Error('no object was looked at');
    return [...this.#found];
  }

  #look(place: string, object: RawObject): void {
    this.#versions += 1;
    // Who wrote which field is no place for a value, but long.
    const { managedFields: _who, ...metadata } = object.metadata as RawObject['metadata'] & { managedFields?: unknown };
    const where = `${place.split('/').at(-1)}/${object.metadata.name}`;
    this.lookAt(where, JSON.stringify({ ...object, metadata }));
  }
}
