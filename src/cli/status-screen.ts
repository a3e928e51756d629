import { describeDuration } from '../base/duration.ts';
import type { StatusAnswer } from './contract.ts';
import { renderTable } from './table.ts';
import { describeProgress } from './wait.ts';

export interface ScreenOptions {
  nowMs: number;
  showNamespace: boolean;
  wide: boolean;
}

/** One screen: the answer first, then every policy, what is at work, the newest restores, and what to do. */
export function renderStatus(answer: StatusAnswer, options: ScreenOptions): string {
  return [
    headline(answer),
    policies(answer, options),
    running(answer, options),
    restores(answer, options),
    next(answer),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function headline({ protected: isProtected, policies }: StatusAnswer): string {
  if (policies.length === 0) return 'Protected: no, there is no policy here.';
  const bad = policies.filter(({ verdict }) => verdict !== 'Protected').length;
  if (isProtected)
    return `Protected: yes, ${policies.length === 1 ? 'by 1 policy' : `by ${policies.length} policies`}.`;
  return `Protected: no, ${bad} of ${policies.length === 1 ? '1 policy needs' : `${policies.length} policies need`} a look.`;
}

const place = (namespace: string, { showNamespace }: ScreenOptions): string[] => (showNamespace ? [namespace] : []);
const ago = (time: string | undefined, nowMs: number): string =>
  time === undefined ? '' : `${describeDuration(nowMs - Date.parse(time))} ago`;

function until(time: string | undefined, nowMs: number): string {
  if (time === undefined) return '';
  const ms = Date.parse(time) - nowMs;
  return ms < 0 ? `due for ${describeDuration(-ms)}` : `in ${describeDuration(ms)}`;
}

function policies({ policies }: StatusAnswer, options: ScreenOptions): string {
  if (policies.length === 0) return '';
  const { nowMs, wide } = options;
  return renderTable(
    [
      ...place('NAMESPACE', options),
      'POLICY',
      'VERDICT',
      'READY',
      'LAST SUCCESS',
      'NEXT RUN',
      'LAST RUN',
      ...(wide ? ['SIZE', 'MESSAGE'] : []),
    ],
    policies.map(({ namespace, name, verdict, message, ready, lastSuccess, nextRun, lastRun }) => [
      ...place(namespace, options),
      name,
      verdict,
      ready === undefined ? '' : `${ready.status} (${ready.reason})`,
      ago(lastSuccess?.time, nowMs),
      until(nextRun, nowMs),
      lastRun === undefined ? '' : `${lastRun.phase} (${lastRun.name})`,
      ...(wide ? [lastSuccess?.size ?? '', message] : []),
    ]),
  );
}

function running({ running }: StatusAnswer, options: ScreenOptions): string {
  if (running.length === 0) return '';
  const rows = running.map(({ namespace, kind, name, phase, since, progress }) => [
    ...place(namespace, options),
    `${kind} ${name}`,
    phase,
    since === undefined ? '' : describeDuration(options.nowMs - Date.parse(since)),
    progress === undefined ? '' : describeProgress(progress),
  ]);
  return renderTable([...place('NAMESPACE', options), 'AT WORK', 'PHASE', 'FOR', 'PROGRESS'], rows);
}

function restores({ restores }: StatusAnswer, options: ScreenOptions): string {
  if (restores.length === 0) return '';
  const rows = restores.map(({ namespace, name, phase, database, completedAt, duration, failure }) => [
    ...place(namespace, options),
    name,
    failure === undefined ? phase : `${phase} (${failure.reason})`,
    database ?? '',
    duration ?? '',
    ago(completedAt, options.nowMs),
  ]);
  return renderTable([...place('NAMESPACE', options), 'RESTORE', 'PHASE', 'DATABASE', 'TOOK', 'ENDED'], rows);
}

const next = (answer: StatusAnswer): string => answer.next.map((line) => `next: ${line}`).join('\n');
