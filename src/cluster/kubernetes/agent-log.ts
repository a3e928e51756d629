import { text } from 'node:stream/consumers';
import type { Clock } from '../../base/clock.ts';
import { newestProgressIn, type Progress } from '../../contract/progress.ts';
import type { ApiClient } from './http.ts';
import { agentContainer } from './job.ts';
import { podLogPath } from './paths.ts';

interface PodName {
  namespace: string;
  name: string;
  uid: string;
}

// Beside its progress an agent logs a line for each step: among this many of the last ones there is a progress.
const tailLines = 10;
// The server cuts at the end, where the newest line is: more than so many lines of ours ever have.
const limitBytes = 64 * 1024;
// A kubelet that does not answer must not hold a reconcile for long, only to show a number.
const answerMs = 3_000;

/**
 * How far the agents of pods are, read out of their logs: the one way out of a pod that needs neither a token nor a port
 * in it. A view for people, so it is best effort, and each log is asked for once in `everyMs` at most. What is kept here is
 * only when a pod was last asked: a restart loses nothing.
 */
export class AgentLog {
  readonly #client: ApiClient;
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #askedAtMs = new Map<string, number>();

  constructor(client: ApiClient, clock: Clock, everyMs: number) {
    this.#client = client;
    this.#clock = clock;
    this.#everyMs = everyMs;
  }

  /** The newest progress of a pod; undefined when it is not time to ask again, or when there is no answer. Never throws. */
  async progressOf({ namespace, name, uid }: PodName): Promise<Progress | undefined> {
    if (!this.#isDue(uid)) return undefined;
    try {
      return newestProgressIn(await this.#tail(podLogPath(namespace, name)));
    } catch {
      return undefined;
    }
  }

  #isDue(uid: string): boolean {
    const nowMs = this.#clock.nowMs();
    // A pod that is due is one of which nothing is known: so those that are over are forgotten by themselves.
    for (const [each, askedMs] of this.#askedAtMs) {
      if (nowMs < askedMs || nowMs - askedMs >= this.#everyMs) this.#askedAtMs.delete(each);
    }
    if (this.#askedAtMs.has(uid)) return false;
    this.#askedAtMs.set(uid, nowMs);
    return true;
  }

  async #tail(path: string): Promise<string> {
    const late = new AbortController();
    const cancel = this.#clock.after(answerMs, () => late.abort());
    const query = { container: agentContainer, tailLines: String(tailLines), limitBytes: String(limitBytes) };
    try {
      return await text(await this.#client.stream({ method: 'GET', path, query, signal: late.signal }));
    } finally {
      cancel();
    }
  }
}
