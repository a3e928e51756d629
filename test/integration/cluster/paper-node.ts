import type { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { ObjectsError } from '../../../src/cluster/objects.ts';

interface Job {
  metadata: { name: string; uid: string; deletionTimestamp?: string };
  spec: { template: { metadata: { annotations: Record<string, string>; labels: object }; spec: object } };
}

/**
 * An API server alone has no Job controller and no kubelet. This one writes what they would write: a pod for each Job, one
 * look it runs, the next look its agent has backed up. Jobs that are deleted go with their pods.
 */
export class PaperNode {
  /** The most pods that were there and not over at the same time. */
  mostAtOnce = 0;
  readonly #client: ApiClient;
  readonly #namespace: string;
  readonly #seen = new Map<string, 'running' | 'over'>();
  readonly #work: Promise<void>;
  readonly #together: number;
  #looksLeft = 10;
  #isStopped = false;

  /** No pod ends before `together` of them ran at the same time for ten looks. */
  constructor(client: ApiClient, namespace: string, together: number) {
    this.#client = client;
    this.#namespace = namespace;
    this.#together = together;
    this.#work = this.#live();
  }

  /** How many Jobs there ever were. */
  get jobsSeen(): number {
    return this.#seen.size;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#work;
  }

  async #live(): Promise<void> {
    while (!this.#isStopped) {
      const { items } = await this.#client.json<{ items: Job[] }>({ method: 'GET', path: this.#path('jobs') });
      for (const job of items) await this.#care(job).catch(passIfGone);
      const running = [...this.#seen.values()].filter((state) => state === 'running').length;
      this.mostAtOnce = Math.max(this.mostAtOnce, running);
      if (this.mostAtOnce >= this.#together) this.#looksLeft -= 1;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async #care(job: Job): Promise<void> {
    const { name, uid, deletionTimestamp } = job.metadata;
    if (deletionTimestamp !== undefined) return this.#remove(name);
    const state = this.#seen.get(uid);
    if (state === undefined) {
      this.#seen.set(uid, 'running');
      await this.#makePod(job);
      return this.#setState(name, 'Running', { running: { startedAt: new Date().toISOString() } });
    }
    if (state === 'over' || this.#looksLeft > 0) return;
    const task = JSON.parse(job.spec.template.metadata.annotations['backstay.dev/task'] ?? '') as { runUid: string };
    await this.#setState(name, 'Succeeded', {
      terminated: { exitCode: 0, reason: 'Completed', message: JSON.stringify(reportOf(task.runUid)) },
    });
    this.#seen.set(uid, 'over');
  }

  async #makePod({ metadata: { name, uid }, spec: { template } }: Job): Promise<void> {
    const labels = { ...template.metadata.labels, 'batch.kubernetes.io/controller-uid': uid };
    await this.#client.json({
      method: 'POST',
      path: this.#path('pods'),
      body: {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...template.metadata, name, labels },
        spec: template.spec,
      },
    });
  }

  async #setState(name: string, phase: string, state: object): Promise<void> {
    const containerStatuses = [
      { name: 'agent', image: 'backstay:dev', imageID: '', ready: true, restartCount: 0, state },
    ];
    await this.#client.json({
      method: 'PATCH',
      path: `${this.#path('pods')}/${name}/status`,
      body: { status: { phase, containerStatuses } },
    });
  }

  async #remove(name: string): Promise<void> {
    const now = { gracePeriodSeconds: 0 };
    await this.#client.json({ method: 'DELETE', path: `${this.#path('pods')}/${name}`, body: now }).catch(passIfGone);
    const path = `/apis/batch/v1/namespaces/${this.#namespace}/jobs/${name}`;
    await this.#client.json({ method: 'PATCH', path, body: { metadata: { finalizers: [] } } });
  }

  #path(plural: 'jobs' | 'pods'): string {
    const root = plural === 'jobs' ? '/apis/batch/v1' : '/api/v1';
    return `${root}/namespaces/${this.#namespace}/${plural}`;
  }
}

function passIfGone(error: unknown): void {
  if (!(error instanceof ObjectsError && error.code === 'NotFound')) throw error;
}

const reportOf = (runUid: string): object => ({
  outcome: 'backed-up',
  set: {
    runUid,
    attempt: 'a',
    lineage: 'pg-1-1',
    manifestKey: `pg-1-1/sets/${runUid}/manifest.json`,
    manifestSha256: '0'.repeat(64),
    consistentAt: new Date().toISOString(),
    position: '0/1',
    plainBytes: 1,
    storedBytes: 1,
    objectCount: 1,
    tableCount: 1,
    rowCount: 1,
    serverVersion: '18.0',
    toolVersion: '18.0',
  },
});
