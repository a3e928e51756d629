import { createHash } from 'node:crypto';
import { nameMaxLength } from '../../api/names.ts';

/**
 * The name of the run of a tick: always the same, so that an operator that was killed, or a second one, finds the run
 * that is there instead of making another. A name that would be too long is the distinct one.
 */
export function runName(policy: string, schedule: string, tickMs: number): string {
  const whole = `${policy}-${schedule}-${minuteOf(tickMs)}`;
  return whole.length <= nameMaxLength.BackupRun ? whole : distinctRunName(policy, schedule, tickMs);
}

/** Always the same, too, and nobody else's: schedule `c` of policy `a-b` and `b-c` of `a` share the plain name. */
export function distinctRunName(policy: string, schedule: string, tickMs: number): string {
  const digest = createHash('sha256').update(`${policy}\0${schedule}`).digest('hex').slice(0, 8);
  const end = `-${digest}-${minuteOf(tickMs)}`;
  const front = `${policy}-${schedule}`.slice(0, nameMaxLength.BackupRun - end.length);
  // A name of Kubernetes may hold a dot or a dash, but no part of it may begin or end with one.
  return `${front.replace(/[-.]+$/, '')}${end}`;
}

function minuteOf(tickMs: number): string {
  return new Date(tickMs).toISOString().slice(0, 16).replace(/[-T:]/g, '');
}
