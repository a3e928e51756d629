import { onTasks, type Reconciler } from '../../cluster/controller.ts';
import { requestOfTask } from '../task-name.ts';
import { walk } from '../walk.ts';
import { createVisit, type RequestReconcilerOptions, restoreRequestSteps } from './steps.ts';

/** Makes a request true: one task, watched to its end. Every visit goes through the steps until one has an answer. */
export function createRequestReconciler(options: RequestReconcilerOptions): Reconciler {
  return {
    kind: 'RestoreRequest',
    triggers: [onTasks(options.runner, requestOfTask)],
    reconcile: (request, { nowMs }) =>
      walk(restoreRequestSteps, createVisit(options, request, nowMs), request, options.log),
  };
}
