import { ObjectsError } from '../objects.ts';
import type { ObjectKey } from '../resource.ts';

const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
/** A file name has 255 bytes, and `.json` is part of it. */
const longestName = 250;

/**
 * Kubernetes' rule for names, and with that the guard against `..` and `/` in a path. Throws Invalid.
 */
export function refuseBadKey({ namespace, name }: ObjectKey): void {
  if (!label.test(namespace)) {
    throw new ObjectsError(
      'Invalid',
      `namespace ${JSON.stringify(namespace)} must be up to 63 small letters, digits and dashes`,
    );
  }
  if (!subdomain.test(name) || name.length > longestName) {
    throw new ObjectsError(
      'Invalid',
      `name ${JSON.stringify(name)} must be up to ${longestName} small letters, digits, dashes and dots`,
    );
  }
}
