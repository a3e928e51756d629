import type { Mode } from '../api/mode.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { runController } from '../cluster/controller.ts';
import type { Instruments } from '../cluster/instruments.ts';
import type { Objects } from '../cluster/objects.ts';
import type { Runner } from '../cluster/runner.ts';
import type { Workloads } from '../cluster/workloads.ts';
import { createGrantReconciler } from './backup-grant/reconcile.ts';
import { createPolicyReconciler } from './backup-policy/reconcile.ts';
import { createRunReconciler } from './backup-run/reconcile.ts';
import { createRequestReconciler } from './restore-request/reconcile.ts';
import { defaultTimings, type Timings } from './timings.ts';
import { defaultLimits } from './turn/limits.ts';
import type { Limits } from './turn/line.ts';
import { createTurns } from './turn/turns.ts';

export interface OperatorOptions {
  objects: Objects;
  runner: Runner;
  clock: Clock;
  log: Logger;
  mode: Mode;
  instruments?: Instruments;
  /** In [0, 1); jitter of pauses. */
  random?: () => number;
  timings?: Partial<Timings>;
  /** The namespaces that are looked after; none: all of them. */
  namespaces?: readonly string[];
  limits?: Limits;
  /** Where the servers are. Kubernetes only. */
  workloads?: Workloads;
  /** Images of tools that may be run; none: all of them. */
  allowedImages?: readonly string[];
}

/**
 * Makes our four kinds true until `signal` is aborted; then resolves when the last reconcile has ended. Tasks that run
 * go on without it, and the next operator finds them. Rejects when a kind cannot be watched at all.
 */
export async function runControllers(options: OperatorOptions, signal: AbortSignal): Promise<void> {
  const { objects, runner, clock, log, mode, random = Math.random, instruments, namespaces = [] } = options;
  const timings = { ...defaultTimings, ...options.timings };
  const { workloads, allowedImages, limits = defaultLimits } = options;
  const turns = createTurns({ objects, mode, limits, timings });
  const clusterId = await objects.clusterId();
  const reconcilers = [
    createPolicyReconciler({ objects, mode, log }),
    createRunReconciler({ objects, runner, mode, timings, log, clusterId, turns, workloads, allowedImages }),
    createRequestReconciler({ objects, runner, mode, timings, log, namespaces, turns, workloads, allowedImages }),
    createGrantReconciler(),
  ];
  // One controller that cannot go on ends the others: half an operator would look alive.
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  await Promise.all(
    reconcilers.map((reconciler) =>
      runController({ reconciler, objects, clock, random, log, ...(instruments && { instruments }) }, either).catch(
        (error: unknown) => {
          failure.abort();
          throw error;
        },
      ),
    ),
  );
}
