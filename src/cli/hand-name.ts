import { type KindName, nameMaxLength } from '../api/names.ts';

const letters = 'abcdefghijkmnpqrstuvwxyz23456789';

/**
 * A name for what a person asks for by hand: `shop-202601010203-x7k2`, after what it is of and the minute. The last four
 * keep two of the same minute apart; `random` is in [0, 1).
 */
export function handName(kind: KindName, of: string, nowMs: number, random: () => number): string {
  const minute = new Date(nowMs).toISOString().slice(0, 16).replace(/[-T:]/g, '');
  const distinct = Array.from({ length: 4 }, () => letters[Math.floor(random() * letters.length)]).join('');
  const end = `-${minute}-${distinct}`;
  // A name of Kubernetes may hold a dot or a dash, but no part of it may begin or end with one.
  return `${of.slice(0, nameMaxLength[kind] - end.length).replace(/[-.]+$/, '')}${end}`;
}
