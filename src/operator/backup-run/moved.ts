import type { Turn } from '../../api/status-field.ts';
import { type Failure, failureOf } from '../judge-task.ts';
import type { Needs } from '../turn/turns.ts';

/**
 * Pure: why a run may start no more tasks of the kind when its policy was edited since it began: the lock that it holds
 * is that of the old server, and what it left lies in the old store. A look into the store needs the store only.
 */
export function movedAway(began: Turn | undefined, now: Needs, task: 'backup' | 'inspection'): Failure | undefined {
  const place = ['store', 'prefix'] as const;
  const needed = task === 'backup' ? (['server', ...place] as const) : place;
  for (const what of needed) {
    const before = began?.[what];
    if (before === undefined || before === now[what]) continue;
    return failureOf(
      'SpecInvalid',
      `the policy names another ${what} since this run began: ${before || 'none'} then, ${now[what] || 'none'} now`,
      'Make another run: it goes by the policy as it is now.',
    );
  }
  return undefined;
}
