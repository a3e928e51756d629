import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { stateReasons } from '../../../src/api/conditions.ts';
import type { KindName } from '../../../src/api/names.ts';
import { isReason } from '../../../src/base/reasons.ts';

const folders: Record<KindName, string> = {
  BackupPolicy: 'backup-policy',
  BackupRun: 'backup-run',
  RestoreRequest: 'restore-request',
  BackupGrant: 'backup-grant',
};
// Said at either kind of object that has tasks; a request has words of its own for how a task stands.
const shared: Record<KindName, string[]> = {
  BackupPolicy: [],
  BackupRun: ['find-policy.ts', 'release.ts', 'judge-task.ts', 'turn/turns.ts'],
  RestoreRequest: ['find-policy.ts', 'release.ts', 'turn/turns.ts'],
  BackupGrant: [],
};

const sourceOf = (path: string): string => readFileSync(join('src/operator', path), 'utf8');

function sourcesOf(kind: KindName): string {
  const own = readdirSync(join('src/operator', folders[kind])).map((file) => sourceOf(join(folders[kind], file)));
  return [...own, ...shared[kind].map(sourceOf)].join('\n');
}

/** The words that the source gives as a reason: to an outcome, to a failure, or as a member. */
function reasonsIn(source: string): string[] {
  const inCalls = source.matchAll(/\b(?:done|say|waiting|stalled|failureOf|Fault)\(\s*'([A-Z]\w+)'/g);
  const afterPause = source.matchAll(/\bafter\([^']*?,\s*'([A-Z]\w+)'/g);
  const members = source.matchAll(/\breason\b(?:: | = |[^;,{}]*\? )'([A-Z]\w+)'(?: : '([A-Z]\w+)')?/g);
  const chosen = source.matchAll(/say\([^']*\? '([A-Z]\w+)' : '([A-Z]\w+)'/g);
  const words = [...inCalls, ...afterPause, ...members, ...chosen].flatMap(([, ...found]) => found);
  return [...new Set(words.filter((word) => word !== undefined))].sort();
}

describe.each(Object.keys(folders) as KindName[])('the reasons of a %s', (kind) => {
  const said = reasonsIn(sourcesOf(kind));
  const states = Object.keys(stateReasons[kind]);

  it('are all in the reference: no reconciler says a word that stands nowhere', () => {
    // A list that nothing was found for would pass every comparison.
    expect(said.length).toBeGreaterThan(kind === 'BackupGrant' ? 1 : 4);
    expect(said.filter((word) => !states.includes(word) && !isReason(word))).toEqual([]);
  });

  it('hold no state that no reconciler speaks of', () => {
    expect(states.filter((word) => !said.includes(word))).toEqual([]);
  });
});
