import { Cron } from 'croner';
import { z } from 'zod';
import { withRules } from './field.ts';

const macros = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];
const form = `^(${macros.join('|')}|([0-9A-Za-z*,/-]+ +){4}[0-9A-Za-z*,/-]+)$`;

/**
 * The ticks of a cron expression in a time zone: five fields or a macro. Daylight saving, for expressions whose hours
 * and minutes hold neither * nor a step: a tick in the hour that does not exist comes at the first moment after it, a
 * tick in the hour that comes twice comes the first time only. So a night is never without its backup. Throws what
 * croner throws when the words mean nothing.
 */
export function parseCron(expression: string, timeZone: string): Cron {
  return new Cron(expression, { mode: '5-part', timezone: timeZone, paused: true, fixedTimeRule: 'no-wildcard' });
}

/** Why an expression of the right form cannot be used, as the rest of a sentence; undefined when it can. */
function whyNotCron(expression: string): string | undefined {
  try {
    // A day that never comes is a mistake that would otherwise show only as backups that are not there.
    return parseCron(expression, 'UTC').nextRun(new Date(0)) === null
      ? 'a time that comes: this one never does'
      : undefined;
  } catch (error) {
    return `a cron expression: ${error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error)}`;
  }
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

export const cron = withRules(
  z
    .string()
    .min(1)
    .max(120)
    .check((context) => {
      if (!new RegExp(form).test(context.value)) return;
      const why = whyNotCron(context.value);
      if (why !== undefined) context.issues.push({ code: 'custom', input: context.value, message: `must be ${why}` });
    }),
  {
    cel: `self.matches('${form}')`,
    message: 'must be five cron fields such as 0 2 * * *, or @hourly, @daily, @weekly, @monthly, @yearly',
    holds: (value) => new RegExp(form).test(value),
  },
).describe('Five fields (minute, hour, day of month, month, day of week), or a macro such as @daily.');

export const timeZone = withRules(z.string().min(1).max(64), {
  cel: `self.matches('^[A-Za-z][A-Za-z0-9_+/-]*$')`,
  message: 'must be a time zone of the IANA list, such as Europe/Berlin or UTC',
  holds: (value) => /^[A-Za-z][A-Za-z0-9_+/-]*$/.test(value) && isTimeZone(value),
})
  .default('UTC')
  .describe('Name out of the IANA list, such as Europe/Berlin.');
