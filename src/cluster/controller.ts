import { type Clock, sleep } from '../base/clock.ts';
import { toFault } from '../base/fault.ts';
import type { Logger } from '../base/log.ts';
import { type Instruments, noInstruments, type VisitOutcome } from './instruments.ts';
import { type ObjectChange, type Objects, ObjectsError } from './objects.ts';
import { failed, type Outcome } from './outcome.ts';
import { createQueue, type WorkQueue } from './queue.ts';
import { type Kind, keyOf, type ObjectKey, type Resource } from './resource.ts';
import type { Runner } from './runner.ts';
import { type ReconcileResult, writeStatus } from './status.ts';

export interface ReconcileContext {
  /** Aborted when the operator is asked to stop: end soon, at a point from which the next start can go on. */
  signal: AbortSignal;
  nowMs: number;
}

/**
 * Makes one kind true. `reconcile` gets the object as it is stored now, deleted ones with finalizers included, and may
 * be called at any time, many times: it looks at the world and never asks what happened. It changes nothing of
 * the object itself but finalizers; the status it gives back.
 */
export interface Reconciler {
  kind: Kind;
  reconcile(object: Resource, context: ReconcileContext): Promise<ReconcileResult>;
  /** Other things whose changes concern objects of this kind. */
  triggers?: Trigger[];
}

/** Calls `enqueue` whenever something happened that concerns the object of that key; resolves when it has begun to watch. */
export type Trigger = (enqueue: (key: ObjectKey) => void, signal: AbortSignal) => Promise<void>;

/** A change to an object of another kind, such as a run, concerns these keys, such as its policy's. */
export const onObjects =
  (objects: Objects, kind: Kind, concerned: (object: Resource) => readonly ObjectKey[]): Trigger =>
  (enqueue, signal) =>
    objects.watch(kind, ({ object }) => concerned(object).forEach(enqueue), signal);

/** A change to a task concerns this key. */
export const onTasks =
  (runner: Runner, concerned: (task: ObjectKey) => ObjectKey | undefined): Trigger =>
  (enqueue, signal) =>
    runner.watch((task) => {
      const key = concerned(task);
      if (key !== undefined) enqueue(key);
    }, signal);

export interface ControllerOptions {
  reconciler: Reconciler;
  objects: Objects;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  log: Logger;
  instruments?: Instruments;
  /** How many objects are worked on at once. */
  maxConcurrent?: number;
  /** How often every object gets a look although nothing happened: heals what a visit overlooked. Asks no server for any. */
  resyncMs?: number;
}

/**
 * Watches, reconciles and writes statuses until `signal` is aborted; resolves when the last running reconcile has
 * ended. Rejects only when the first list or a trigger's beginning fails.
 */
export async function runController(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const { reconciler, objects, clock, random } = options;
  const failure = new AbortController();
  const stop = AbortSignal.any([signal, failure.signal]);
  const queue = createQueue(clock, random);
  options.instruments?.queueMade(reconciler.kind, queue.depth);
  const visits = createVisits(options, queue, stop);
  const workers = Array.from({ length: options.maxConcurrent ?? 4 }, () => work(queue, visits.visit));
  const resync = keepResyncing(options, queue, stop);
  try {
    await objects.watch(reconciler.kind, visits.onChange, stop);
    for (const trigger of reconciler.triggers ?? []) await trigger((key) => queue.add(wordOf(key)), stop);
    await aborted(stop);
  } finally {
    failure.abort();
    queue.close();
    await Promise.all([...workers, resync]);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

const wordOf = ({ namespace, name }: ObjectKey): string => `${namespace}/${name}`;

function keyIn(word: string): ObjectKey {
  const [namespace = '', name = ''] = word.split('/');
  return { namespace, name };
}

async function work(queue: WorkQueue, visit: (word: string) => Promise<void>): Promise<void> {
  for (let word = await queue.take(); word !== undefined; word = await queue.take()) {
    await visit(word);
    queue.finish(word);
  }
}

/**
 * Visits of single objects. Versions that we wrote ourselves are known: the watch brings them back, and a visit because
 * of them would turn a failure with a new message each time into a hot loop around the backoff.
 */
function createVisits(
  { reconciler, objects, clock, log, instruments = noInstruments }: ControllerOptions,
  queue: WorkQueue,
  signal: AbortSignal,
) {
  const known = new Map<string, string>();
  const during = new Map<string, Set<string>>();

  function onChange({ type, object }: ObjectChange): void {
    const word = wordOf(keyOf(object));
    const version = object.metadata.resourceVersion;
    if (type === 'gone') {
      known.delete(word);
      queue.forget(word);
      return;
    }
    const arrived = during.get(word);
    if (arrived !== undefined) arrived.add(version);
    else if (known.get(word) !== version) queue.add(word);
  }

  async function reconcile(object: Resource): Promise<ReconcileResult> {
    try {
      return await reconciler.reconcile(object, { signal, nowMs: clock.nowMs() });
    } catch (error) {
      // Not about the object: the decision was made on an old version, or the API is away. Nothing to tell anybody.
      if (error instanceof ObjectsError && (error.code === 'Conflict' || error.code === 'Unavailable')) throw error;
      return { outcome: failed(error) };
    }
  }

  async function visitOnce(word: string, own: Set<string>): Promise<VisitOutcome> {
    const object = await objects.get(reconciler.kind, keyIn(word));
    if (object === undefined) return 'gone';
    own.add(object.metadata.resourceVersion);
    const { written: last = object, ...result } = await reconcile(object);
    own.add(last.metadata.resourceVersion);
    if (result.outcome.kind === 'failed') {
      const { error } = result.outcome;
      const { uid } = last.metadata;
      log.warn(
        { object: word, kind: reconciler.kind, uid, reason: toFault(error).reason, err: error },
        'reconcile failed',
      );
    }
    const status = await writeStatus(objects, clock, last, result);
    if (status.verdict === 'gone') return 'gone';
    if (status.verdict === 'conflict') {
      queue.addBackoff(word);
      return 'conflict';
    }
    const newest = status.verdict === 'written' ? status.object : last;
    own.add(newest.metadata.resourceVersion);
    known.set(word, newest.metadata.resourceVersion);
    plan(queue, word, result.outcome);
    return result.outcome.kind;
  }

  async function visit(word: string): Promise<void> {
    const own = new Set<string>();
    const arrived = new Set<string>();
    during.set(word, arrived);
    const startedMs = clock.monotonicMs();
    let ended: VisitOutcome = 'error';
    try {
      ended = await visitOnce(word, own);
    } catch (error) {
      log.warn({ object: word, kind: reconciler.kind, err: error }, 'visit not finished; it will be tried again');
      queue.addBackoff(word, error instanceof ObjectsError ? error.retryAfterMs : undefined);
    } finally {
      instruments.reconciled(reconciler.kind, ended, clock.monotonicMs() - startedMs);
      during.delete(word);
      if ([...arrived].some((version) => !own.has(version))) queue.add(word);
    }
  }

  return { onChange, visit };
}

function plan(queue: WorkQueue, word: string, outcome: Outcome): void {
  if (outcome.kind === 'failed') {
    queue.addBackoff(word);
    return;
  }
  // An intent that was written is nothing that went well yet: else what fails each time right after it never backs off.
  const isIntent = outcome.kind === 'after' && outcome.ms === 0;
  if (!isIntent) queue.forget(word);
  if (outcome.kind === 'after' || outcome.kind === 'waiting') queue.addAfter(word, outcome.ms);
  if ((outcome.kind === 'done' || outcome.kind === 'stalled') && outcome.againMs !== undefined)
    queue.addAfter(word, outcome.againMs);
}

async function keepResyncing(
  { reconciler, objects, clock, log, resyncMs = 600_000 }: ControllerOptions,
  queue: WorkQueue,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      await sleep(clock, resyncMs, signal);
      for (const object of await objects.list(reconciler.kind)) queue.add(wordOf(keyOf(object)));
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ kind: reconciler.kind, err: toFault(error) }, 'resync failed; the next one will do');
    }
  }
}
