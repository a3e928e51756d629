import { kindNames } from '../api/names.ts';
import { Fault } from '../base/fault.ts';
import { nearestName } from '../base/nearest.ts';
import { type Kind, kinds } from '../cluster/resource.ts';

const shortWords: Record<Kind, string[]> = {
  BackupPolicy: ['policy', 'policies'],
  BackupRun: ['run', 'runs', 'backup', 'backups'],
  RestoreRequest: ['request', 'requests', 'restore', 'restores'],
  BackupGrant: ['grant', 'grants'],
};

/** Every word that names a kind; the everyday plural of each comes first. */
export const kindWords = (): string[] => [
  ...kinds.map((kind) => shortWords[kind][1] ?? kindNames[kind].plural),
  ...kinds.map((kind) => shortWords[kind][0] ?? kindNames[kind].singular),
];

/** The kind behind a word that a person typed: kind, plural, short name or the everyday word. Throws SpecInvalid. */
export function kindFromWord(word: string): Kind {
  const words = new Map<string, Kind>();
  for (const kind of kinds) {
    const { plural, singular, shortName } = kindNames[kind];
    for (const each of [plural, singular, shortName, ...shortWords[kind]]) words.set(each, kind);
  }
  const kind = words.get(word.toLowerCase());
  if (kind !== undefined) return kind;
  const near = nearestName(word, [...words.keys()]);
  throw new Fault('SpecInvalid', `there is no kind "${word}"`, {
    hint: near === undefined ? 'The kinds are policies, runs, requests and grants.' : `Did you mean ${near}?`,
  });
}
