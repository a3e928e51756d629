import { findSet } from '../catalog/catalog.ts';
import type { Report } from '../contract/report.ts';
import type { InspectTask } from '../contract/task.ts';
import { summaryOf } from './set-summary.ts';
import { openTaskStore, type VerbContext } from './verb.ts';

/** Whether the run's manifest is in the store: the truth about an attempt that ended without a word. Writes nothing. */
export async function inspect(task: InspectTask, context: VerbContext): Promise<Report> {
  context.progress.step('look');
  const store = await openTaskStore(task.store, context);
  try {
    const found = await findSet(store, task.runUid, context.signal);
    return found === undefined ? { outcome: 'no-manifest' } : { outcome: 'backed-up', set: summaryOf(found) };
  } finally {
    await store.close();
  }
}
