import type { BackupPolicySpec } from '../../api/backup-policy.ts';
import type { Mode } from '../../api/mode.ts';
import type { RestoreRequestSpec } from '../../api/restore-request.ts';
import { Fault } from '../../base/fault.ts';
import type { Objects } from '../../cluster/objects.ts';
import { policyNameOf } from '../../cluster/resource.ts';
import { findPolicy } from '../find-policy.ts';
import { everything, notGranted, type Readable, readableBy } from './grant.ts';
import { chooseBackup } from './guard.ts';
import { type RestoreBasis, takeOver } from './take-over.ts';
import type { ChosenSource } from './task.ts';

export interface SourcePlace {
  objects: Objects;
  mode: Mode;
  /** The namespaces that the operator looks after; none: all of them. */
  namespaces: readonly string[];
  /** The namespace of the request. */
  reader: string;
  source: RestoreRequestSpec['source'];
  /** `remembered`: a policy that is missing is only waited for. Left out: it decides something. */
  absence?: 'sure' | 'remembered';
}

const placeOf = ({ reader, source }: SourcePlace): string => source.namespace ?? reader;

export const isForeign = (place: SourcePlace): boolean => placeOf(place) !== place.reader;

/**
 * The backup that a request means. Throws ReferenceNotGranted for another namespace without a grant, in the same words
 * whether there is something of that name or not; then what `chooseBackup` and `findBasis` throw.
 */
export async function findSource(place: SourcePlace, target: RestoreRequestSpec['target']): Promise<ChosenSource> {
  const { objects, reader, source } = place;
  const readable = await lookUpReadable(place);
  const { policyName, runName } = source;
  const policy = policyName === undefined ? undefined : await readPolicy(place, readable, policyName);
  const runs = (await objects.list('BackupRun', placeOf(place))).filter((run) =>
    readable.includes(policyNameOf(run) ?? ''),
  );
  if (!readable.isAll && runName !== undefined && !runs.some(({ metadata }) => metadata.name === runName))
    throw notGranted(reader, placeOf(place), source);
  const chosen = chooseBackup({ source, target }, runs, policy);
  // What the request lacks is said before it holds anything.
  takeOver(policy ?? (await readPolicy(place, readable, chosen.policy)), source, isForeign(place));
  if (!isForeign(place)) return chosen;
  const { toolImage: _theirs, ...foreign } = chosen;
  return { ...foreign, namespace: placeOf(place) };
}

/**
 * What the restore goes by, to be asked again before each effect: the grant may have gone since. Throws ReferenceNotGranted,
 * NotSupportedHere for a store that is out of reach from the request's namespace, and what `findPolicy` and `takeOver` throw.
 */
export async function findBasis(place: SourcePlace, name: string): Promise<RestoreBasis> {
  return takeOver(await readPolicy(place, await lookUpReadable(place), name), place.source, isForeign(place));
}

/** Throws ReferenceNotGranted when the grant that the request began with is gone. */
export async function checkStillGranted(place: SourcePlace, name: string): Promise<void> {
  if (!(await lookUpReadable(place)).includes(name)) throw notGranted(place.reader, placeOf(place), place.source);
}

async function lookUpReadable(place: SourcePlace): Promise<Readable> {
  if (!isForeign(place)) return everything;
  const { objects, reader, namespaces } = place;
  const from = placeOf(place);
  if (namespaces.length > 0 && !namespaces.includes(from)) {
    throw new Fault('NotSupportedHere', `the operator does not look after the namespace ${from}`, {
      where: 'spec.source.namespace',
      hint: `Add ${from} to the namespaces in the configuration of the operator, or restore within that namespace.`,
    });
  }
  return readableBy(reader, await objects.list('BackupGrant', from));
}

async function readPolicy(place: SourcePlace, readable: Readable, name: string): Promise<BackupPolicySpec> {
  const { objects, mode, reader, source, absence } = place;
  const from = placeOf(place);
  if (!readable.includes(name)) throw notGranted(reader, from, source);
  const policy = await findPolicy(objects, from, name, mode, absence);
  const claim = policy.stores[0]?.filesystem?.claimName;
  if (claim !== undefined && isForeign(place)) {
    const message = `the backup lies on the volume claim ${claim} of ${from}, which no pod of ${reader} can mount`;
    throw new Fault('NotSupportedHere', message, {
      hint: `Restore within ${from}, to a target with spec.target.host, or keep the backups in a store of kind s3.`,
    });
  }
  return policy;
}
