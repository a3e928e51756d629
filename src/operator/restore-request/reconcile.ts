import { onTasks, type Reconciler } from '../../cluster/controller.ts';
import { requestOfTask } from '../task-name.ts';
import { createVisit, type RequestReconcilerOptions, restoreRequestSteps } from './steps.ts';

/** Makes a request true: one task, watched to its end. Every visit goes through the steps until one has an answer. */
export function createRequestReconciler(options: RequestReconcilerOptions): Reconciler {
  return {
    kind: 'RestoreRequest',
    triggers: [onTasks(options.runner, requestOfTask)],
    async reconcile(request, { nowMs }) {
      const visit = createVisit(options, request, nowMs);
      const object = `${request.metadata.namespace}/${request.metadata.name}`;
      for (const step of restoreRequestSteps) {
        options.log.debug({ step: step.name, object }, 'step');
        const result = await step.take(visit);
        if (result !== undefined) return visit.written === undefined ? result : { ...result, written: visit.written };
      }
      throw new Error('no step had an answer');
    },
  };
}
