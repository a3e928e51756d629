import type { BackupPolicySpec } from '../../api/backup-policy.ts';
import type { RestoreRequestSpec } from '../../api/restore-request.ts';
import { Fault } from '../../base/fault.ts';
import type { ImageSource } from '../tool-image.ts';

/** What a restore goes by: the policy of the backup, where the request says nothing else. */
export interface RestoreBasis extends Pick<BackupPolicySpec, 'engine' | 'stores' | 'jobs'> {
  identity?: RestoreRequestSpec['source']['identity'];
  image: ImageSource;
}

type Bucket = NonNullable<BackupPolicySpec['stores'][number]['s3']>;

/**
 * Pure: what a restore takes from the policy. Whoever owns a policy in another namespace must not reach into the one of the
 * request: with the image of the tools he would run there, and with names of secrets and their keys he would have any
 * secret there sent to his endpoint as an access key id, which goes in clear. So of such a policy only the place of the
 * backup is taken, and how large the pod is. Throws SpecInvalid when the request does not say itself what it then must.
 */
export function takeOver(
  policy: BackupPolicySpec,
  source: RestoreRequestSpec['source'],
  isForeign: boolean,
): RestoreBasis {
  const { engine, jobs, encryption, toolImages, target } = policy;
  const { identity } = source;
  const stores = policy.stores.map(({ name, filesystem, s3 }) => {
    if (s3 !== undefined) return { name, s3: { ...s3, ...keyOf(s3, source, isForeign) } };
    if (source.storeCredentials === undefined) return { name, filesystem };
    const message = `${where} has no meaning for the store ${name}, which is a directory`;
    throw new Fault('SpecInvalid', message, { where, hint: 'Remove it: a directory is read without a key.' });
  });
  if (!isForeign) {
    return { engine, stores, jobs, identity: identity ?? encryption?.age.identity, image: { toolImages, target } };
  }
  const resources = jobs?.resources;
  return {
    engine,
    stores,
    ...(resources !== undefined && { jobs: { resources } }),
    ...(identity !== undefined && { identity }),
    image: { target: { port: target.port } },
  };
}

const where = 'spec.source.storeCredentials';

function keyOf(
  theirs: Bucket,
  { storeCredentials }: RestoreRequestSpec['source'],
  isForeign: boolean,
): Pick<Bucket, 'credentials' | 'caSecretName'> {
  if (storeCredentials !== undefined) {
    const { caSecretName, ...credentials } = storeCredentials;
    return { credentials, caSecretName: caSecretName ?? (isForeign ? undefined : theirs.caSecretName) };
  }
  if (!isForeign) return theirs;
  const message = `${where} is missing: no policy elsewhere chooses which secrets are used here`;
  throw new Fault('SpecInvalid', message, {
    where,
    hint: 'Name the Secret of this namespace that has an access key of the store, and its keys.',
  });
}
