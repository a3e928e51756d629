import { Fault } from '../base/fault.ts';
import type { Mode } from './mode.ts';
import type { RestoreRequestSpec } from './restore-request.ts';

/** Whether a request in `namespace` reads from another one. */
export const isForeignSource = ({ source }: Pick<RestoreRequestSpec, 'source'>, namespace: string): boolean =>
  (source.namespace ?? namespace) !== namespace;

/**
 * What runs in a namespace is chosen in that namespace: throws SpecInvalid for a request that reads from another one and
 * leaves the image of the tools to it. Standalone has no images.
 */
export function checkForeignSource(spec: RestoreRequestSpec, namespace: string, mode: Mode): void {
  if (mode === 'standalone' || !isForeignSource(spec, namespace) || spec.toolImages !== undefined) return;
  const message = `spec.toolImages.restore is missing: no policy of ${spec.source.namespace} chooses what runs in ${namespace}`;
  throw new Fault('SpecInvalid', message, {
    where: 'spec.toolImages.restore',
    hint: 'Name an image with pg_restore, no older than the backup, such as the one that the server of the target runs.',
  });
}
