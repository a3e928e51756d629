import { Fault, toFault } from '../base/fault.ts';
import { ObjectsError } from '../cluster/objects.ts';

/**
 * What was thrown, for the person at the command line: an object that the home refuses is the user's to correct, and no
 * defect of ours to report.
 */
export function faultOf(thrown: unknown): Fault {
  if (!(thrown instanceof ObjectsError)) return toFault(thrown);
  if (thrown.cause instanceof Fault) return thrown.cause;
  switch (thrown.code) {
    case 'Invalid':
      return new Fault('SpecInvalid', thrown.message, { cause: thrown });
    case 'NotFound':
      return new Fault('ReferenceMissing', thrown.message, { cause: thrown });
    default:
      return toFault(thrown);
  }
}
