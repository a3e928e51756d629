import { onTasks, type Reconciler } from '../../cluster/controller.ts';
import { runOfTask } from '../task-name.ts';
import { backupRunSteps, createVisit, type RunReconcilerOptions } from './steps.ts';

/**
 * Makes a run true: its task is started, watched, and its end written down. Every visit goes through the steps in order
 * until one of them has an answer.
 */
export function createRunReconciler(options: RunReconcilerOptions): Reconciler {
  return {
    kind: 'BackupRun',
    triggers: [onTasks(options.runner, runOfTask)],
    async reconcile(run, { nowMs }) {
      const visit = createVisit(options, run, nowMs);
      const object = `${run.metadata.namespace}/${run.metadata.name}`;
      for (const step of backupRunSteps) {
        options.log.debug({ step: step.name, object }, 'step');
        const result = await step.take(visit);
        if (result !== undefined) return visit.written === undefined ? result : { ...result, written: visit.written };
      }
      throw new Error('no step had an answer');
    },
  };
}
