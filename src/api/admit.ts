import { isDeepStrictEqual } from 'node:util';
import { Fault } from '../base/fault.ts';
import { checkMode } from './mode.ts';
import type { KindName } from './names.ts';
import { parseSpec } from './parse.ts';

/**
 * What an API server does with a spec by the CRD, for the place where there is none: the defaults are filled in, what
 * means nothing is refused (SpecInvalid), and so are fields of Kubernetes (NotSupportedHere) and changes to a run or a
 * request. `previous` is the spec as it is stored, when the object is there already.
 */
export function admit(kind: KindName, spec: unknown, previous?: unknown): unknown {
  const parsed = parseSpec(kind, spec);
  checkMode(kind, parsed, 'standalone');
  const isFixed = kind !== 'BackupPolicy' && previous !== undefined;
  if (isFixed && !isDeepStrictEqual(JSON.parse(JSON.stringify(parsed)), previous)) {
    throw new Fault('SpecInvalid', `the spec of a ${kind} cannot be changed`, {
      where: 'spec',
      hint: 'Delete it and create another one, or give it another name.',
    });
  }
  return parsed;
}
