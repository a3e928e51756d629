import type { Store } from '../store/store.ts';
import { type AttemptName, attemptFolder, intentKey } from './layout.ts';

/**
 * Removes what an attempt of one's own wrote, when it is certain that it never asked for its manifest. Data first and
 * the intent last: what a kill in the middle leaves, the garbage collection finds. Idempotent.
 */
export async function discardAttempt(store: Store, attempt: AttemptName): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of store.list(attemptFolder(attempt))) keys.push(key);
  for (const key of keys) await store.remove(key);
  await store.remove(intentKey(attempt));
}
