import { watch as watchDirectory } from 'node:fs';
import { type Clock, sleep } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { ObjectChange } from '../objects.ts';
import type { Resource } from '../resource.ts';

export interface Watching {
  scan: () => Promise<Resource[]>;
  onChange: (change: ObjectChange) => void;
  clock: Clock;
  log: Logger;
  /** How long a change by another process that no hint told of can stay unseen. */
  rescanMs: number;
  /** Calls back at a hint that something changed; the answer ends that. */
  hints: (call: () => void) => () => void;
}

/**
 * Compares scan with scan and tells the differences. Hints only make it quick: whatever they miss, the next scan finds,
 * so a lost one cannot make the watch deaf. Resolves after the first scan; that one's failure is the caller's, later
 * ones are logged and tried again.
 */
export async function watchByScanning(watching: Watching, signal: AbortSignal): Promise<void> {
  const known = new Map<string, Resource>();
  await compare(watching, known, signal);
  void keepComparing(watching, known, signal);
}

async function compare({ scan, onChange }: Watching, known: Map<string, Resource>, signal: AbortSignal): Promise<void> {
  const present = new Map((await scan()).map((object) => [object.metadata.uid, object]));
  if (signal.aborted) return;
  // First what went: under its name there may be a new object by now.
  for (const [uid, object] of known) {
    if (present.has(uid)) continue;
    known.delete(uid);
    onChange({ type: 'gone', object });
  }
  for (const [uid, object] of present) {
    if (known.get(uid)?.metadata.resourceVersion === object.metadata.resourceVersion) continue;
    known.set(uid, object);
    onChange({ type: 'present', object });
  }
}

async function keepComparing(watching: Watching, known: Map<string, Resource>, signal: AbortSignal): Promise<void> {
  const { clock, rescanMs, hints, log } = watching;
  let hinted = false;
  let wake = (): void => undefined;
  const unhint = hints(() => {
    hinted = true;
    wake();
  });
  while (!signal.aborted) {
    if (!hinted) {
      const nap = new AbortController();
      wake = () => nap.abort();
      await sleep(clock, rescanMs, AbortSignal.any([signal, nap.signal])).catch(() => undefined);
    }
    if (signal.aborted) break;
    hinted = false;
    await compare(watching, known, signal).catch((error) =>
      log.warn({ err: error }, 'scan failed; the next one will do'),
    );
  }
  unhint();
}

/** Hints from the kernel about one directory, not those below it. None where the kernel has no watch left to give. */
export function directoryHints(directory: string, call: () => void, log: Logger): () => void {
  try {
    const watcher = watchDirectory(directory, { persistent: false }, call);
    watcher.on('error', (error) => log.debug({ err: error }, 'no more hints about changes; scans go on'));
    return () => watcher.close();
  } catch (error) {
    log.debug({ err: error }, 'no hints about changes; scans go on');
    return () => undefined;
  }
}
