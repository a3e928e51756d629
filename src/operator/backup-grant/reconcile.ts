import { parseSpec } from '../../api/parse.ts';
import { Fault } from '../../base/fault.ts';
import { nameFew } from '../../base/short-text.ts';
import type { Reconciler } from '../../cluster/controller.ts';
import { done, stalled } from '../../cluster/outcome.ts';

/** Says what a grant grants. It has no effect here: whoever reads over the border of a namespace looks for it each time. */
export function createGrantReconciler(): Reconciler {
  return {
    kind: 'BackupGrant',
    async reconcile({ metadata, spec }) {
      if (metadata.deletionTimestamp !== undefined) return { outcome: stalled('Stopped', 'it was deleted') };
      try {
        const { from, policies } = parseSpec('BackupGrant', spec);
        const who = nameFew(from.map(({ namespace }) => namespace));
        const what = policies === undefined ? 'all policies' : `policies ${nameFew(policies)}`;
        return { outcome: done('Granted', `${who} may restore from the backups of ${what} of ${metadata.namespace}`) };
      } catch (error) {
        if (error instanceof Fault) return { outcome: stalled(error.reason, `${error.sentence}. ${error.hint}`) };
        throw error;
      }
    },
  };
}
