import type { Outcome } from './outcome.ts';
import type { Kind } from './resource.ts';

/** How a visit ended: the outcome's kind, or `gone` (no object), `conflict` (decided on an old version), `error`. */
export type VisitOutcome = Outcome['kind'] | 'gone' | 'conflict' | 'error';

/** One list-and-watch of a reflector. */
export interface WatchInstrument {
  /** A list, an event or a bookmark came: the watch is not deaf. */
  heard(): void;
  /** The list or the watch failed; another one follows after a pause. */
  restarted(): void;
  /** It was stopped on purpose and will be heard no more. */
  ended(): void;
}

/** What the running code tells of itself, for metrics and probes. No call throws, none waits. */
export interface Instruments {
  /** `code`: the HTTP status, or `error` when no answer came. `ms`: until the headers. Calls that we cut off do not count. */
  apiRequest(method: string, code: string, ms: number): void;
  /** `resource`: the plural name, such as `backupruns`. Several watches of one resource may run at once. */
  watchBegan(resource: string): WatchInstrument;
  reconciled(kind: Kind, outcome: VisitOutcome, ms: number): void;
  /** `depth` is asked whenever somebody looks: how many keys wait for a worker. */
  queueMade(kind: Kind, depth: () => number): void;
}

/** For whoever is not measured. */
export const noInstruments: Instruments = {
  apiRequest: () => undefined,
  watchBegan: () => ({ heard: () => undefined, restarted: () => undefined, ended: () => undefined }),
  reconciled: () => undefined,
  queueMade: () => undefined,
};
