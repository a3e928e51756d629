import type { BackupPolicySpec } from '../../api/backup-policy.ts';
import type { Mode } from '../../api/mode.ts';

interface Address {
  host?: string | undefined;
  service?: string | undefined;
  port: number;
}

/**
 * Pure: one word for a server, the same for everybody who means the same one as far as names can tell. Names that may be
 * the same are taken for the same: two that wait for each other without need lose time, two that do not lose a backup.
 * Two Services, or a name and an address, in front of one server are two words.
 */
export function serverIdentity({ host, service, port }: Address, namespace: string, mode: Mode): string {
  if (service !== undefined) return `${service}.${namespace}.svc:${port}`;
  const name = (host ?? '').toLowerCase().replace(/[.]$/, '');
  return `${mode === 'kubernetes' ? inCluster(name, namespace) : onMachine(name)}:${port}`;
}

/** As the search list of a pod resolves it: `shop`, `shop.prod`, `shop.prod.svc` and the whole name are one Service. */
function inCluster(host: string, namespace: string): string {
  if (host.includes(':')) return host;
  const name = host.replace(/[.]svc[.]cluster[.]local$/, '.svc');
  const parts = name.split('.');
  if (parts.length === 1) return `${name}.${namespace}.svc`;
  return parts.length === 2 && parts[1] !== 'svc' ? `${name}.svc` : name;
}

const onMachine = (host: string): string => (['127.0.0.1', '::1'].includes(host) ? 'localhost' : host);

/** Pure: one word for the place that the bytes go to: a bucket of an endpoint, a volume claim, or a directory. */
export function storeIdentity({ stores: [store] }: Pick<BackupPolicySpec, 'stores'>, namespace: string): string {
  const { s3, filesystem } = store ?? {};
  if (s3 !== undefined) {
    const endpoint = (s3.endpoint ?? 's3://amazonaws.com').toLowerCase().replace(/[/]$/, '');
    return `${endpoint}/${s3.bucket}`;
  }
  if (filesystem?.claimName !== undefined) return `claim ${namespace}/${filesystem.claimName}`;
  return `directory ${filesystem?.path}`;
}
