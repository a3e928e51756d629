import { createHash } from 'node:crypto';
import { nameMaxLength } from '../../api/names.ts';

/**
 * The name of the run of a tick: always the same, so that an operator that was killed, or a second one, finds the run
 * that is there instead of making another. A name that would be too long is cut and told apart by a digest.
 */
export function runName(policy: string, schedule: string, tickMs: number): string {
  const minute = new Date(tickMs).toISOString().slice(0, 16).replace(/[-T:]/g, '');
  const front = `${policy}-${schedule}`;
  const whole = `${front}-${minute}`;
  if (whole.length <= nameMaxLength.BackupRun) return whole;
  const digest = createHash('sha256').update(front).digest('hex').slice(0, 8);
  const room = nameMaxLength.BackupRun - `-${digest}-${minute}`.length;
  // A name of Kubernetes may hold a dot or a dash, but no part of it may begin or end with one.
  return `${front.slice(0, room).replace(/[-.]+$/, '')}-${digest}-${minute}`;
}
