/** An object that wants to work, or does. Derived from statuses alone, so that every start of the operator sees the same. */
export interface Entry {
  kind: 'BackupRun' | 'RestoreRequest';
  namespace: string;
  name: string;
  uid: string;
  /** RFC 3339. */
  createdAt: string;
  /** Undefined where nobody has looked yet. */
  server: string | undefined;
  store: string | undefined;
  /**
   * `claiming`: it has written that its turn has come, and must look once more before it works. `working`: from the
   * intent of its first task until it is over; what was begun is never taken back.
   */
  state: 'waiting' | 'claiming' | 'working';
}

/** How many backups work at once; 0: as many as there are. Restores are not counted. */
export interface Limits {
  runs: number;
  runsPerStore: number;
}

export type Standing =
  /** Nobody is in the way: work. */
  | { kind: 'go' }
  /** Its turn has come: write that down, then look again. */
  | { kind: 'claim' }
  /** Another one has claimed the same, and will see that it comes later: look again. */
  | { kind: 'stay' }
  /** `place` counts those that wait for the same, itself included. A claim that is there is taken back. */
  | { kind: 'wait'; for: 'server' | 'store' | 'operator'; behind: Entry | undefined; place: number };

/**
 * Pure: what `me` is to do, seen with everybody else. Two rules keep two from working at once. Nobody works without a
 * claim in its status that was written before the look; so of two that claim, the one that wrote last sees the other.
 * And whoever sees another claim does not work. Of several claims all but the first in line are taken back, so one goes on.
 */
export function standingOf(me: Entry, others: readonly Entry[], limits: Limits): Standing {
  if (me.state === 'working') return { kind: 'go' };
  const taken = new Taken(limits);
  if (me.state === 'waiting') {
    for (const other of others) if (other.state !== 'waiting') taken.add(other);
    return walk([...others.filter(isWaiting), me], taken).get(me.uid) ?? { kind: 'claim' };
  }
  const later: Entry[] = [];
  for (const other of others) {
    if (other.state === 'working' || (other.state === 'claiming' && isAhead(other, me))) taken.add(other);
    else if (other.state === 'claiming') later.push(other);
  }
  const blocked = taken.blocks(me);
  if (blocked !== undefined) return { kind: 'wait', ...blocked, place: 1 };
  for (const other of later) taken.add(other);
  return taken.blocks(me) === undefined ? { kind: 'go' } : { kind: 'stay' };
}

/** Pure: those that a look would take further: whose turn has come, and who have claimed. */
export function nextInLine(entries: readonly Entry[], limits: Limits): Entry[] {
  const taken = new Taken(limits);
  for (const entry of entries) if (entry.state !== 'waiting') taken.add(entry);
  const blocked = walk(entries.filter(isWaiting), taken);
  return entries.filter(({ state, uid }) => state === 'claiming' || (state === 'waiting' && !blocked.has(uid)));
}

/**
 * Goes through those who wait, the first in line first, and answers who has to go on waiting. One that waits for a store or
 * for the operator keeps its server, else a younger one could take it again and again; it keeps no place in the
 * limits, else one slow store would hold up all the others. Whoever works in a store works in the operator, too, so a
 * place in the store always comes free together with one in the operator: the first in line gets both.
 */
function walk(waiting: Entry[], taken: Taken): Map<string, Extract<Standing, { kind: 'wait' }>> {
  const blocked = new Map<string, Extract<Standing, { kind: 'wait' }>>();
  const places = new Map<string, number>();
  for (const entry of waiting.sort(byLine)) {
    const block = taken.blocks(entry);
    if (block === undefined) {
      taken.add(entry);
      continue;
    }
    if (block.for !== 'server') taken.keepServer(entry);
    const what = { server: `server ${entry.server}`, store: `store ${entry.store}`, operator: 'operator' }[block.for];
    const place = (places.get(what) ?? 0) + 1;
    places.set(what, place);
    blocked.set(entry.uid, { kind: 'wait', ...block, place });
  }
  return blocked;
}

/** What is in use. */
class Taken {
  readonly #limits: Limits;
  readonly #servers = new Map<string, Entry>();
  readonly #stores = new Map<string, number>();
  #runs = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  add(entry: Entry): void {
    this.keepServer(entry);
    if (entry.kind !== 'BackupRun') return;
    this.#runs += 1;
    if (entry.store !== undefined) this.#stores.set(entry.store, (this.#stores.get(entry.store) ?? 0) + 1);
  }

  keepServer(entry: Entry): void {
    if (entry.server !== undefined && !this.#servers.has(entry.server)) this.#servers.set(entry.server, entry);
  }

  blocks({ kind, server, store }: Entry): Pick<Extract<Standing, { kind: 'wait' }>, 'for' | 'behind'> | undefined {
    const behind = server === undefined ? undefined : this.#servers.get(server);
    if (behind !== undefined) return { for: 'server', behind };
    if (kind !== 'BackupRun') return undefined;
    const { runs, runsPerStore } = this.#limits;
    if (runs > 0 && this.#runs >= runs) return { for: 'operator', behind: undefined };
    const inStore = store === undefined ? 0 : (this.#stores.get(store) ?? 0);
    return runsPerStore > 0 && inStore >= runsPerStore ? { for: 'store', behind: undefined } : undefined;
  }
}

const isWaiting = ({ state }: Entry): boolean => state === 'waiting';

/** Restores before backups, then the oldest first. A total order: no two have the same UID. */
const byLine = (one: Entry, other: Entry): number => (isAhead(one, other) ? -1 : 1);

function isAhead(one: Entry, other: Entry): boolean {
  if (one.kind !== other.kind) return one.kind === 'RestoreRequest';
  if (one.createdAt !== other.createdAt) return one.createdAt < other.createdAt;
  return one.uid < other.uid;
}
