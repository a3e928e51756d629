import { type Clock, sleep } from '../base/clock.ts';
import { describeBytes } from '../base/describe-bytes.ts';
import { type Objects, ObjectsError } from '../cluster/objects.ts';
import type { ObjectKey, Resource } from '../cluster/resource.ts';
import type { Result } from './contract.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';

export interface WaitTarget extends ObjectKey {
  kind: 'BackupRun' | 'RestoreRequest';
}

export interface Waiting {
  objects: Objects;
  clock: Clock;
  timeoutMs: number;
  pollMs: number;
  /** Aborted: the person waits no longer. */
  signal: AbortSignal;
  say(line: string): void;
  /** A line that the next one replaces: how far it is. Left out: once a minute by `say`. */
  show?: (line: string) => void;
}

/** The end of a wait: for the exit code, and for every target what is known of it. */
export interface WaitEnd {
  outcome: 'Succeeded' | 'Failed' | 'TimedOut' | 'Interrupted';
  exitCode: ExitCode;
  ends: Result['objects'];
}

const progressEveryMs = 60_000;

/**
 * Waits until every run and request has ended, saying each change of phase and, now and then, how far it is. The exit
 * code is the outcome, not the fact that the wait is over. An object that is deleted meanwhile has failed. A place that
 * does not answer for a while is asked again: the work goes on without it.
 */
export async function waitForEnd(targets: readonly WaitTarget[], waiting: Waiting): Promise<WaitEnd> {
  const { clock, timeoutMs, pollMs, signal, say } = waiting;
  const endMs = clock.nowMs() + timeoutMs;
  const watched = targets.map((target) => new Watched(target, waiting));
  const close = (outcome: WaitEnd['outcome'], exitCode: ExitCode, last = ''): WaitEnd => {
    waiting.show?.('');
    if (last !== '') for (const one of watched) if (!one.isOver) say(`${one.label}: ${last}`);
    return { outcome, exitCode, ends: watched.map((one) => one.end) };
  };
  for (;;) {
    for (const one of watched) if (!one.isOver && !signal.aborted) await one.look();
    const failed = watched.some(({ isOver, phase }) => isOver && phase !== 'Succeeded');
    if (watched.every(({ isOver }) => isOver)) {
      return failed ? close('Failed', exitCodes.failed) : close('Succeeded', exitCodes.done);
    }
    if (signal.aborted)
      return close('Interrupted', exitCodes.interrupted, 'the wait was interrupted, the work goes on');
    if (clock.nowMs() >= endMs) {
      const last = 'still at work; the wait is over, the work goes on';
      return failed ? close('Failed', exitCodes.failed, last) : close('TimedOut', exitCodes.timedOut, last);
    }
    // Aborted: the next turn says so.
    await sleep(clock, Math.min(pollMs, Math.max(0, endMs - clock.nowMs())), signal).catch(() => undefined);
  }
}

interface TaskStatus {
  phase?: string;
  size?: string;
  duration?: string;
  failure?: { reason: string; message: string; hint: string };
  progress?: { step: string; plainBytes: number; storedBytes: number; bytesPerSecond: number };
}

class Watched {
  readonly label: string;
  phase = 'Pending';
  end: Result['objects'][number];
  readonly #target: WaitTarget;
  readonly #waiting: Waiting;
  #said = '';
  #progressSaidMs: number;
  #isAway = false;

  constructor(target: WaitTarget, waiting: Waiting) {
    this.#target = target;
    this.#waiting = waiting;
    this.label = `${target.kind} ${target.name}`;
    this.end = { kind: target.kind, namespace: target.namespace, name: target.name };
    this.#progressSaidMs = waiting.clock.nowMs();
  }

  get isOver(): boolean {
    return ['Succeeded', 'Failed', 'Gone'].includes(this.phase);
  }

  async look(): Promise<void> {
    const { objects, signal } = this.#waiting;
    try {
      this.#take(await orAborted(objects.get(this.#target.kind, this.#target), signal));
      this.#isAway = false;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ObjectsError && error.code === 'Unavailable')) throw error;
      if (!this.#isAway) this.#waiting.say(`${this.label}: ${error.message}; it is asked again`);
      this.#isAway = true;
    }
  }

  #take(object: Resource | undefined): void {
    const { phase = 'Pending', size, duration, failure, progress } = (object?.status ?? {}) as TaskStatus;
    this.phase = object === undefined ? 'Gone' : phase;
    this.end = {
      ...this.end,
      phase: this.phase,
      ...(size !== undefined && { size }),
      ...(duration !== undefined && { duration }),
      ...(failure !== undefined && { failure }),
    };
    const line =
      object === undefined
        ? `${this.label}: deleted`
        : failure === undefined
          ? `${this.label}: ${phase}`
          : `${this.label}: ${phase}, ${failure.reason}: ${failure.message}\n  next: ${failure.hint}`;
    if (line !== this.#said) {
      this.#waiting.show?.('');
      this.#waiting.say(line);
      this.#said = line;
    }
    if (!this.isOver && progress !== undefined) this.#showProgress(`${this.label}: ${describeProgress(progress)}`);
  }

  #showProgress(line: string): void {
    const { clock, show, say } = this.#waiting;
    if (show !== undefined) show(line);
    else if (clock.nowMs() - this.#progressSaidMs >= progressEveryMs) {
      this.#progressSaidMs = clock.nowMs();
      say(line);
    }
  }
}

export function describeProgress({
  step,
  plainBytes,
  storedBytes,
  bytesPerSecond,
}: NonNullable<TaskStatus['progress']>): string {
  return `${step}, ${describeBytes(plainBytes)} done, ${describeBytes(storedBytes)} stored, ${describeBytes(bytesPerSecond)}/s`;
}

/** A person who waits no longer does not wait for an answer either. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
