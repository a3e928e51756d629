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
    const before = others.filter((other) => isWaiting(other) && isAhead(other, me));
    return standingInLine(me, before, taken);
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

/** Its place counts those before it that wait for the same. */
function standingInLine(me: Entry, before: Entry[], taken: Taken): Standing {
  const places = { server: 1, store: 1, operator: 1 };
  walk(before, taken, ({ server, store }, block) => {
    if (block === 'server' && server === me.server) places.server += 1;
    if (block === 'store' && store === me.store) places.store += 1;
    if (block === 'operator') places.operator += 1;
  });
  const blocked = taken.blocks(me);
  return blocked === undefined ? { kind: 'claim' } : { kind: 'wait', ...blocked, place: places[blocked.for] };
}

/** Pure: those that a look would take further: whose turn has come, and who have claimed. */
export function nextInLine(entries: readonly Entry[], limits: Limits): Entry[] {
  const taken = new Taken(limits);
  for (const entry of entries) if (entry.state !== 'waiting') taken.add(entry);
  // Asked at each change of anybody: with all places in use, which is most of the time, a long line costs nothing.
  const mayGo = entries.filter((entry) => isWaiting(entry) && (entry.kind === 'RestoreRequest' || !taken.isFull));
  const free = new Set<string>();
  walk(mayGo, taken, ({ uid }, block) => block === undefined && free.add(uid));
  return entries.filter(({ state, uid }) => state === 'claiming' || (state === 'waiting' && free.has(uid)));
}

/**
 * When one that waits looks again although nobody called it. Each look goes through all that are open: in a long line only
 * the front, which has most to lose by a call that was lost, looks at every pause, and those far behind at every twentieth.
 */
export const lookAgainMs = (place: number, pauseMs: number): number =>
  pauseMs * (1 + Math.min(19, Math.floor(place / 50)));

/**
 * Goes through those who wait, the first in line first, and tells of each what it has to go on waiting for, if anything.
 * One that waits for a store or for the operator keeps its server, else a younger one could take it again and again; it
 * keeps no place in the limits, else one slow store would hold up all the others. Whoever works in a store works in the
 * operator, too, so a place in the store always comes free together with one in the operator: the first in line gets both.
 */
function walk(waiting: Entry[], taken: Taken, tell: (entry: Entry, block: Blocked['for'] | undefined) => void): void {
  for (const entry of waiting.sort(byLine)) {
    const block = taken.blocks(entry)?.for;
    if (block === undefined) taken.add(entry);
    else if (block !== 'server') taken.keepServer(entry);
    tell(entry, block);
  }
}

type Blocked = Pick<Extract<Standing, { kind: 'wait' }>, 'for' | 'behind'>;

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

  /** No other backup finds a place. */
  get isFull(): boolean {
    return this.#limits.runs > 0 && this.#runs >= this.#limits.runs;
  }

  blocks({ kind, server, store }: Entry): Blocked | undefined {
    const behind = server === undefined ? undefined : this.#servers.get(server);
    if (behind !== undefined) return { for: 'server', behind };
    if (kind !== 'BackupRun') return undefined;
    const { runsPerStore } = this.#limits;
    if (this.isFull) return { for: 'operator', behind: undefined };
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
