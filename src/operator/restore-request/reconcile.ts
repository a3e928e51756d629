import type { RestoreRequestSpec } from '../../api/restore-request.ts';
import type { Logger } from '../../base/log.ts';
import { onTasks, type Reconciler, type Trigger } from '../../cluster/controller.ts';
import type { Objects } from '../../cluster/objects.ts';
import { keyOf, type Resource } from '../../cluster/resource.ts';
import { requestOfTask } from '../task-name.ts';
import { walk } from '../walk.ts';
import { createVisit, type RequestReconcilerOptions, restoreRequestSteps } from './steps.ts';

/** Makes a request true: one task, watched to its end. Every visit goes through the steps until one has an answer. */
export function createRequestReconciler(options: RequestReconcilerOptions): Reconciler {
  return {
    kind: 'RestoreRequest',
    triggers: [
      onTasks(options.runner, requestOfTask),
      onGrants(options.objects, options.log),
      options.turns.trigger('RestoreRequest'),
    ],
    reconcile: (request, { nowMs }) =>
      walk(restoreRequestSteps, createVisit(options, request, nowMs), request, options.log),
  };
}

/** A grant that comes, changes or goes concerns every request that reads from its namespace. */
function onGrants(objects: Objects, log: Logger): Trigger {
  return (enqueue, signal) =>
    objects.watch(
      'BackupGrant',
      ({ object: grant }) => {
        objects.list('RestoreRequest').then(
          (requests) =>
            requests
              .filter((request) => readsFrom(grant, request))
              .map(keyOf)
              .forEach(enqueue),
          (error: unknown) => log.debug({ err: error }, 'requests see the change of a grant at their next visit'),
        );
      },
      signal,
    );
}

const readsFrom = ({ metadata: { namespace } }: Resource, { spec }: Resource): boolean =>
  (spec as Partial<RestoreRequestSpec> | undefined)?.source?.namespace === namespace;
