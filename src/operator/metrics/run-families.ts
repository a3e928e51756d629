import type { Family } from './exposition.ts';
import { Gauges, secondsBetween, secondsOf } from './gauges.ts';
import type { RunFacts, RunIndex } from './run-index.ts';

const help = {
  backstay_runs: 'Runs that are there, by phase. A phase without runs has no series.',
  backstay_run_last_duration_seconds: 'How long the newest run took that ended so.',
  backstay_run_last_stored_bytes: 'Size in the store of the newest backup.',
  backstay_run_last_plain_bytes: 'Size of the newest backup as the tool wrote it.',
  backstay_run_active_seconds: 'Age of each run that is not over: since it began, or since it was made while it waits.',
} as const;
type Name = keyof typeof help;

export function runFamilies(runs: RunIndex, nowMs: number): Family[] {
  const gauges = new Gauges<Name>(help);
  for (const ofOnePolicy of runs.all()) setRuns(gauges, ofOnePolicy, nowMs);
  return gauges.families();
}

/** `runs`: those of one policy, the newest first. */
function setRuns(gauges: Gauges<Name>, runs: readonly RunFacts[], nowMs: number): void {
  for (const { labels, runs: alike } of groupBy(runs, ({ method }) => ({ method }))) {
    for (const { labels: more, runs: inPhase } of groupBy(alike, ({ phase }) => ({ phase })))
      gauges.set('backstay_runs', { ...labels, ...more }, inPhase.length);
    for (const outcome of ['Succeeded', 'Failed'] as const) {
      const newest = alike.find(({ phase, startedAtS }) => phase === outcome && startedAtS !== undefined);
      const tookS = secondsBetween(newest?.startedAtS, newest?.completedAtS);
      gauges.set('backstay_run_last_duration_seconds', { ...labels, outcome }, tookS);
    }
    const backup = alike.find(({ phase }) => phase === 'Succeeded');
    gauges.set('backstay_run_last_stored_bytes', labels, backup?.storedBytes);
    gauges.set('backstay_run_last_plain_bytes', labels, backup?.plainBytes);
    for (const { name, phase, startedAtS, createdAt } of alike) {
      if (phase === 'Succeeded' || phase === 'Failed') continue;
      const sinceS = startedAtS ?? secondsOf(createdAt);
      gauges.set('backstay_run_active_seconds', { ...labels, run: name, phase }, secondsBetween(sinceS, nowMs / 1000));
    }
  }
}

function groupBy(runs: readonly RunFacts[], labelsOf: (run: RunFacts) => Record<string, string>) {
  const groups = new Map<string, { labels: Record<string, string>; runs: RunFacts[] }>();
  for (const run of runs) {
    const labels = { namespace: run.namespace, policy: run.policy, ...labelsOf(run) };
    const key = Object.values(labels).join('/');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { labels, runs: [run] });
    else group.runs.push(run);
  }
  return groups.values();
}
