import { Fault } from './fault.ts';

/** What the letters in a duration stand for. */
export const unitMs = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 } as const;

/** The one form a duration may have: whole numbers with d, h, m, s in this order, each at most once. `10` is refused. */
export const durationPattern = '^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$';

/** `1h30m` -> 5400000. Throws SpecInvalid for anything else, the empty string included. */
export function parseDurationMs(text: string): number {
  if (text === '' || !new RegExp(durationPattern).test(text)) {
    throw new Fault('SpecInvalid', `"${text}" is not a duration`, {
      hint: 'Write a duration as days, hours, minutes and seconds, such as 30s, 10m, 1h30m or 14d.',
    });
  }
  let totalMs = 0;
  for (const [, count, unit] of text.matchAll(/([0-9]+)([dhms])/g)) {
    totalMs += Number(count) * unitMs[unit as keyof typeof unitMs];
  }
  return totalMs;
}

/** 5400000 -> `1h30m`; the two largest units that are not zero, `0s` for less than a second. For people, not for parsing back. */
export function describeDuration(ms: number): string {
  let restS = Math.round(Math.max(0, ms) / 1000);
  const parts: string[] = [];
  for (const [unit, ofMs] of Object.entries(unitMs)) {
    const count = Math.floor(restS / (ofMs / 1000));
    restS -= count * (ofMs / 1000);
    if (count > 0 && parts.length < 2) parts.push(`${count}${unit}`);
  }
  return parts.join('') || '0s';
}
