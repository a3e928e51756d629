import { onTasks, type Reconciler } from '../../cluster/controller.ts';
import { runOfTask } from '../task-name.ts';
import { walk } from '../walk.ts';
import { backupRunSteps, createVisit, type RunReconcilerOptions } from './steps.ts';

/**
 * Makes a run true: its task is started, watched, and its end written down. Every visit goes through the steps in order
 * until one of them has an answer.
 */
export function createRunReconciler(options: RunReconcilerOptions): Reconciler {
  return {
    kind: 'BackupRun',
    triggers: [onTasks(options.runner, runOfTask), options.turns.trigger('BackupRun')],
    reconcile: (run, { nowMs }) => walk(backupRunSteps, createVisit(options, run, nowMs), run, options.log),
  };
}
