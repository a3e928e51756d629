import { timestamp } from '../../base/clock.ts';

/** metav1.MicroTime: the server refuses the three digits of a second that JavaScript writes. */
export function microTime(ms: number): string {
  return timestamp(ms).replace('Z', `.${String(ms % 1000).padStart(3, '0')}000Z`);
}
