import { readdirSync } from 'node:fs';
import type { Postgres } from './postgres.ts';
import { backupRole } from './shop.ts';
import type { Standalone } from './standalone.ts';

/** The secrets that the YAML below names. */
export function setShopSecrets(home: Standalone, server: Postgres): void {
  home.setSecret('shop-backup', backupRole);
  home.setSecret('shop-admin', { username: server.username, password: server.password });
}

/** `more`: lines of the spec. */
export const policyYaml = (server: Postgres, store: string, more = '', name = 'shop'): string => `---
apiVersion: backstay.dev/v1alpha1
kind: BackupPolicy
metadata: { name: ${name} }
spec:
  engine: PostgreSQL
  target:
    host: ${server.host}
    port: ${server.port}
    credentials: { backup: { secretName: shop-backup } }
    tls: { mode: Disable }
  stores: [{ name: near, filesystem: { path: ${store} } }]
${more}
`;

/** `more`: fields of the spec, each after a comma. */
export const runYaml = (name: string, more = '', policy = 'shop', database = 'shop'): string => `---
apiVersion: backstay.dev/v1alpha1
kind: BackupRun
metadata: { name: ${name} }
spec: { policyName: ${policy}, method: Dump, dump: { databases: [${database}] }${more} }
`;

export const restoreYaml = (server: Postgres, name: string, runName: string, database: string): string => `---
apiVersion: backstay.dev/v1alpha1
kind: RestoreRequest
metadata: { name: ${name} }
spec:
  source: { runName: ${runName} }
  target:
    host: ${server.host}
    port: ${server.port}
    database: ${database}
    credentials: { admin: { secretName: shop-admin } }
    tls: { mode: Disable }
`;

export const manifestsIn = (store: string): string[] =>
  readdirSync(store, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('/manifest.json'));
