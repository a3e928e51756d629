import { isDeepStrictEqual } from 'node:util';
import type { Mode } from '../../api/mode.ts';
import type { Turn } from '../../api/status-field.ts';
import { timestamp } from '../../base/clock.ts';
import type { Trigger } from '../../cluster/controller.ts';
import type { Objects } from '../../cluster/objects.ts';
import { after, type Outcome } from '../../cluster/outcome.ts';
import type { ObjectKey, Resource } from '../../cluster/resource.ts';
import type { Timings } from '../timings.ts';
import { describeWait } from './describe.ts';
import { type Candidate, candidateOf } from './entry.ts';
import { type Limits, lookAgainMs, nextInLine, standingOf } from './line.ts';

/** What an object needs for itself: a server, and a backup also a place in a store. Words of `identity.ts`. */
export type Needs = Omit<Turn, 'claimedAt'>;

/** Who may work now: one task at a time on a server, and so many backups at once. */
export interface Turns {
  /**
   * Undefined: it is the object's turn. Else what to say, and the turn that must stand in its status. Asked by whoever
   * has not begun; the object is the newest version.
   */
  take(object: Resource, needs: Needs, nowMs: number): Promise<{ outcome: Outcome; turn: Turn } | undefined>;

  /** Looks again at those of the kind whose turn has come by a change of somebody else. */
  trigger(kind: 'BackupRun' | 'RestoreRequest'): Trigger;
}

export interface TurnsOptions {
  objects: Objects;
  mode: Mode;
  limits: Limits;
  timings: Timings;
}

export function createTurns({ objects, mode, limits, timings }: TurnsOptions): Turns {
  const { wake, note } = createBell(mode, limits);

  return {
    async take(object, needs, nowMs) {
      const written = (object.status as { turn?: Turn } | undefined)?.turn;
      const isClaimed = written?.claimedAt !== undefined && isDeepStrictEqual(needsIn(written), needsIn(needs));
      const found = candidateOf({ ...object, status: { turn: needs } }, mode);
      // The steps before have the last word about objects that are over or deleted.
      if (found === undefined) throw new Error('an object that cannot work was asked for its turn');
      const me: Candidate = { ...found, state: isClaimed ? 'claiming' : 'waiting' };
      const all = [await objects.list('BackupRun'), await objects.list('RestoreRequest')].flat();
      const others = all.flatMap((other) => {
        const candidate = other.metadata.uid === me.uid ? undefined : candidateOf(other, mode);
        return candidate === undefined ? [] : [likeItsPolicy(candidate, me)];
      });
      const standing = standingOf(me, others, limits);
      switch (standing.kind) {
        case 'go':
          return undefined;
        case 'claim': {
          const turn = { ...needs, claimedAt: timestamp(nowMs) };
          return { outcome: after(0, 'Pending', 'its turn has come'), turn };
        }
        case 'stay': {
          const message = 'its turn has come, and another one saw the same: one of the two takes a step back';
          return { outcome: after(timings.recheckMs, 'Pending', message), turn: written ?? needs };
        }
        case 'wait': {
          const againMs = lookAgainMs(standing.place, timings.turnMs);
          return { outcome: after(againMs, 'Pending', describeWait(me, standing)), turn: needs };
        }
      }
    },
    trigger: (kind) => (enqueue, signal) => {
      wake.set(kind, enqueue);
      return objects.watch(kind, ({ type, object }) => note(object, type === 'gone'), signal);
    },
  };
}

const needsIn = ({ server, store }: Needs): (string | undefined)[] => [server, store];

/** Nobody has looked at it yet, and it names the policy of mine: then it needs what mine needs. */
const likeItsPolicy = (one: Candidate, me: Candidate): Candidate =>
  one.server === undefined && one.policy !== undefined && one.policy === me.policy
    ? { ...one, server: me.server, store: me.store }
    : one;

/**
 * Keeps who is in line, as the watches tell, and calls those whose turn has come. Only a hint: who is called looks for
 * itself, and who is not called looks now and then.
 */
function createBell(mode: Mode, limits: Limits) {
  const line = new Map<string, Candidate>();
  const wake = new Map<Candidate['kind'], (key: ObjectKey) => void>();

  function note(object: Resource, isGone: boolean): void {
    const { uid } = object.metadata;
    const before = line.get(uid);
    const now = isGone ? undefined : candidateOf(object, mode);
    if (isDeepStrictEqual(before, now)) return;
    if (now === undefined) line.delete(uid);
    else line.set(uid, now);
    // One that joins is looked at anyway, and makes room for nobody.
    if (before === undefined) return;
    for (const next of nextInLine([...line.values()], limits)) wake.get(next.kind)?.(next);
  }

  return { wake, note };
}
