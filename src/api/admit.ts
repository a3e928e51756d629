import { isDeepStrictEqual } from 'node:util';
import { Fault } from '../base/fault.ts';
import { checkMode } from './mode.ts';
import type { KindName } from './names.ts';
import { parseSpec } from './parse.ts';

/**
 * What an API server does with the CRDs, for a home without one: the spec with its defaults. `previous` is the stored
 * spec when the object is changed. Throws SpecInvalid, also for a change of what cannot be changed, and NotSupportedHere.
 */
export function admit(kind: KindName, spec: unknown, previous?: unknown): unknown {
  const parsed = parseSpec(kind, spec);
  checkMode(kind, parsed, 'standalone');
  if (
    previous !== undefined &&
    (kind === 'BackupRun' || kind === 'RestoreRequest') &&
    !isDeepStrictEqual(parsed, previous)
  ) {
    const word = kind === 'BackupRun' ? 'run' : 'request';
    throw new Fault('SpecInvalid', `a ${word} cannot be changed`, {
      where: 'spec',
      hint: `Delete the ${word} and create another one, or give this one another name.`,
    });
  }
  return parsed;
}
