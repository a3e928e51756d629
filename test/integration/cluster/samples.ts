import type { Draft, Kind, Resource } from '../../../src/cluster/resource.ts';

const specs: Record<Kind, object> = {
  BackupPolicy: {
    engine: 'PostgreSQL',
    target: { host: 'db.example.com', credentials: { backup: { secretName: 'shop-backup' } } },
    stores: [{ name: 'near', filesystem: { path: '/backups' } }],
  },
  BackupRun: { policyName: 'shop', method: 'Dump', dump: { databases: ['shop'] } },
  RestoreRequest: {
    source: { policyName: 'shop' },
    target: {
      host: 'db.example.com',
      database: 'shop',
      credentials: { admin: { secretName: 'shop-admin' } },
    },
  },
  BackupGrant: { from: [{ namespace: 'staging' }] },
};

/** An object that every schema lets in, with nothing of its own but the name. */
export function sampleDraft(kind: Kind, namespace: string, name: string, more: Partial<Draft['metadata']> = {}): Draft {
  return { kind, metadata: { name, namespace, ...more }, spec: structuredClone(specs[kind]) };
}

export const ownerReferenceTo = ({ apiVersion, kind, metadata: { name, uid } }: Resource) => ({
  apiVersion,
  kind,
  name,
  uid,
  controller: true as const,
});
