import type { PolicySchedule } from './backup-policy.ts';
import { parseCron } from './cron.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** A schedule's age is measured against this: seconds, or undefined for words that are no schedule. */
export type IntervalOf = (schedule: Partial<PolicySchedule>, nowMs: number) => number | undefined;

/**
 * Remembers each pattern for a day: a cron costs a tenth of a millisecond a tick, and a scrape asks for thousands. The
 * answer depends on the pattern and on the day only, never on when it was first asked: a restart changes nothing. The
 * patterns' days begin at different hours, so that they are not all computed at one midnight.
 */
export function createIntervalOf(): IntervalOf {
  const known = new Map<string, { fromMs: number; seconds: number | undefined }>();
  return ({ cron = '', timeZone = 'UTC' }, nowMs) => {
    const key = `${cron}\n${timeZone}`;
    const offsetMs = (sumOf(key) % 24) * hourMs;
    const fromMs = Math.floor((nowMs - offsetMs) / dayMs) * dayMs + offsetMs;
    const before = known.get(key);
    if (before?.fromMs === fromMs) return before.seconds;
    const seconds = intervalSeconds(cron, timeZone, fromMs);
    // Patterns of policies that are gone are forgotten, all at once: the others cost one computation.
    if (known.size >= 5_000) known.clear();
    known.set(key, { fromMs, seconds });
    return seconds;
  };
}

// croner throws at words that an older schema let in; a zone it does not know shows at the first tick only.
function intervalSeconds(cron: string, timeZone: string, fromMs: number): number | undefined {
  try {
    const gapMs = longestGapMs(cron, timeZone, fromMs);
    return gapMs === undefined ? undefined : gapMs / 1000;
  } catch {
    return undefined;
  }
}

const sumOf = (text: string): number => [...text].reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0);

/**
 * Pure: the longest pause between two ticks that follow each other, from the pause that `fromMs` lies in. Looks one day
 * ahead in a pattern whose days are all alike, nine when only days of the week matter, else two months. A pause of a
 * day or more lies over a mark that is made each day, one of an hour or more over a mark that is made each hour; so
 * neither every minute's tick of a year has to be asked for nor a weekend gets lost. Pauses below an hour: of one hour.
 * Undefined for a day that never comes; throws what croner throws when the words mean nothing.
 */
export function longestGapMs(cron: string, timeZone: string, fromMs: number): number | undefined {
  const pattern = parseCron(cron, timeZone);
  let longest: number | undefined;
  // Both look strictly before and after, and in whole seconds.
  const lookAround = (markMs: number): number | undefined => {
    const before = pattern.previousRuns(1, new Date(markMs + 1000))[0]?.getTime();
    const next = pattern.nextRun(new Date(markMs))?.getTime();
    if (before !== undefined && next !== undefined) longest = Math.max(longest ?? 0, next - before);
    return next;
  };
  for (const { everyMs, untilMs } of [
    { everyMs: dayMs, untilMs: fromMs + horizonDays(cron) * dayMs },
    { everyMs: hourMs, untilMs: fromMs + 26 * hourMs },
  ]) {
    let coveredMs = fromMs;
    for (let markMs = fromMs; markMs <= untilMs; markMs += everyMs) {
      if (markMs < coveredMs) continue;
      const next = lookAround(markMs);
      if (next === undefined) return longest;
      coveredMs = next;
    }
  }
  if (longest !== undefined && longest < hourMs) {
    for (let atMs = fromMs; atMs < fromMs + hourMs; ) atMs = lookAround(atMs) ?? Number.POSITIVE_INFINITY;
  }
  return longest;
}

function horizonDays(cron: string): number {
  if (/^@(month|year|annual)/.test(cron)) return 62;
  const [, , dayOfMonth = '*', month = '*', dayOfWeek = '*'] = cron.trim().split(/ +/);
  if (dayOfMonth !== '*' || month !== '*') return 62;
  return dayOfWeek === '*' ? 1 : 9;
}
