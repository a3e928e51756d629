import { Fault } from '../base/fault.ts';
import type { KindName } from './names.ts';
import type { SpecOf } from './parse.ts';

/** Where Backstay runs. Some fields mean something in one of the two only. */
export type Mode = 'kubernetes' | 'standalone';

/**
 * Refuses what has no meaning where Backstay runs. Throws NotSupportedHere that names the field and the one to use
 * instead, SpecInvalid for a field that only this mode needs and that is not there.
 */
export function checkMode<Kind extends KindName>(kind: Kind, spec: SpecOf[Kind], mode: Mode): void {
  const found = rulesFor(kind, spec, mode).find(([field]) => typeof field === 'string');
  if (found === undefined) return;
  const [where, instead, reason] = found;
  const message =
    reason === 'SpecInvalid'
      ? `${where} is missing`
      : `${where} has no meaning in ${mode === 'standalone' ? 'standalone' : 'Kubernetes'}`;
  throw new Fault(reason, message, { where: String(where), hint: instead });
}

type Finding = [field: string | false, instead: string, reason: 'NotSupportedHere' | 'SpecInvalid'];

function rulesFor(kind: KindName, spec: SpecOf[KindName], mode: Mode): Finding[] {
  if (kind === 'BackupRun' || kind === 'BackupGrant') return [];
  const { target, toolImages } = spec as SpecOf['BackupPolicy' | 'RestoreRequest'];
  const { workload, jobs } =
    kind === 'BackupPolicy' ? { ...(spec as SpecOf['BackupPolicy']), ...(spec as SpecOf['BackupPolicy']).target } : {};
  const stores = kind === 'BackupPolicy' ? (spec as SpecOf['BackupPolicy']).stores : [];
  if (mode === 'standalone') {
    return [
      [target.service !== undefined && 'spec.target.service', 'Use spec.target.host.', 'NotSupportedHere'],
      [
        toolImages !== undefined && 'spec.toolImages',
        'Remove it: the tools of this machine are used.',
        'NotSupportedHere',
      ],
      [
        workload !== undefined && 'spec.target.workload',
        'Remove it: the tools of this machine are used.',
        'NotSupportedHere',
      ],
      [jobs !== undefined && 'spec.jobs', 'Remove it: there are no pods here.', 'NotSupportedHere'],
      ...stores.map(
        (store, at): Finding => [
          store.filesystem?.claimName !== undefined && `spec.stores[${at}].filesystem.claimName`,
          `Use spec.stores[${at}].filesystem.path.`,
          'NotSupportedHere',
        ],
      ),
    ];
  }
  return [
    [
      kind === 'BackupPolicy' && toolImages === undefined && workload === undefined && 'spec.target.workload',
      'Name the StatefulSet that the server runs as: its image has pg_dump. Or name an image in spec.toolImages.dump.',
      'SpecInvalid',
    ],
    ...stores.map(
      (store, at): Finding => [
        store.filesystem?.path !== undefined && `spec.stores[${at}].filesystem.path`,
        `Use spec.stores[${at}].filesystem.claimName.`,
        'NotSupportedHere',
      ],
    ),
  ];
}
