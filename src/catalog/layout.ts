import { Fault } from '../base/fault.ts';

/** Where everything lies in a repository: docs/format.md. Pure; no other file joins keys by hand. */

export interface SetName {
  lineage: string;
  runUid: string;
}

export interface AttemptName extends SetName {
  attempt: string;
}

export const repositoryKey = 'backstay.json';
export const ownersFolder = 'owner/';

export function ownerKey(number: number): string {
  return `${ownersFolder}${String(number).padStart(6, '0')}.json`;
}

/** The number of an owner record, or undefined when the key is not one. */
export function ownerNumber(key: string): number | undefined {
  const digits = /^owner\/([0-9]{6})\.json$/.exec(key)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export function lineageKey(lineage: string): string {
  return `${checked(lineage)}/lineage.json`;
}

/** The lineage of a folder at the top of the repository, or undefined when the folder is something else. */
export function lineageOfFolder(folder: string): string | undefined {
  const name = folder.slice(0, -1);
  return /^pg-[0-9]+-[0-9a-f]{8}$/.test(name) ? name : undefined;
}

export function setsFolder(lineage: string): string {
  return `${checked(lineage)}/sets/`;
}

export function manifestKey({ lineage, runUid }: SetName): string {
  return `${setsFolder(lineage)}${checked(runUid)}/manifest.json`;
}

export function intentKey({ lineage, runUid, attempt }: AttemptName): string {
  return `${setsFolder(lineage)}${checked(runUid)}/intent-${checked(attempt)}.json`;
}

export function attemptFolder({ lineage, runUid, attempt }: AttemptName): string {
  return `${setsFolder(lineage)}${checked(runUid)}/${checked(attempt)}/`;
}

export interface Packing {
  compression: 'Zstd' | 'Gzip' | 'None';
  encrypted: boolean;
}

/** The n-th object of a part, from 1: `dump-00001.pgdump.zst.age`. The ending tells the tools that open it by hand. */
export function objectKey(attempt: AttemptName, part: string, n: number, extension: string, packing: Packing): string {
  return `${attemptFolder(attempt)}${checked(part)}-${String(n).padStart(5, '0')}.${extension}${endingOf(packing)}`;
}

/** In the attempt's own folder: two attempts must never write the same key. */
export function detailsKey(attempt: AttemptName, packing: Packing): string {
  return `${attemptFolder(attempt)}details.json${endingOf(packing)}`;
}

export type SetKey =
  | (SetName & { kind: 'manifest' })
  | (AttemptName & { kind: 'intent' })
  | (AttemptName & { kind: 'object' });

/** What a key below `sets/` is; undefined when no rule of this file makes such a key. */
export function parseSetKey(key: string): SetKey | undefined {
  const [lineage, sets, runUid, ...rest] = key.split('/');
  if (!isName(lineage) || sets !== 'sets' || !isName(runUid)) return undefined;
  const [first, second, ...more] = rest;
  if (first === 'manifest.json' && second === undefined) return { kind: 'manifest', lineage, runUid };
  const attempt = /^intent-(.+)\.json$/.exec(first ?? '')?.[1];
  if (second === undefined) return isName(attempt) ? { kind: 'intent', lineage, runUid, attempt } : undefined;
  return isName(first) && more.length === 0 ? { kind: 'object', lineage, runUid, attempt: first } : undefined;
}

function endingOf({ compression, encrypted }: Packing): string {
  const compressed = { Zstd: '.zst', Gzip: '.gz', None: '' }[compression];
  return `${compressed}${encrypted ? '.age' : ''}`;
}

// One segment of a key that no store and no shell can take for anything else.
function isName(name: string | undefined): name is string {
  return name !== undefined && /^[0-9A-Za-z][0-9A-Za-z-]{0,99}$/.test(name);
}

function checked(name: string): string {
  if (!isName(name)) throw new Fault('Internal', `"${name}" cannot be part of a key in a repository`);
  return name;
}
