import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { files, network } from './layout.ts';
import { insideNamespaces } from './namespaces.ts';
import { type Pki, writeKubeconfig } from './pki.ts';
import type { ProcessBook } from './processes.ts';
import type { Programs } from './programs.ts';

/**
 * Starts CoreDNS on the node's address. Names of the cluster are answered from the API server; every other name does not
 * exist, at once: no test may depend on the machine's own resolver.
 */
export function startDns(book: ProcessBook, programs: Programs, apiServerUrl: string, pki: Pki): void {
  const kubeconfig = join(files.config, 'dns.kubeconfig');
  writeKubeconfig(kubeconfig, apiServerUrl, pki, 'dns');
  writeFileSync(join(files.config, 'resolv.conf'), `nameserver ${network.nodeAddress}\n`);
  const corefile = join(files.config, 'Corefile');
  writeFileSync(
    corefile,
    `cluster.local:53 in-addr.arpa:53 {
  bind ${network.nodeAddress}
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfig} backstay
    ttl 1
  }
}
.:53 {
  bind ${network.nodeAddress}
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`,
  );
  book.start(insideNamespaces(book, { name: 'coredns', command: programs.coredns, args: ['-conf', corefile] }));
}

/** What CoreDNS may read. */
export const dnsAccess = [
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'backstay:dns' },
    rules: [
      { apiGroups: [''], resources: ['services', 'pods', 'namespaces', 'endpoints'], verbs: ['list', 'watch'] },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    ],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'backstay:dns' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'backstay:dns' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'backstay:dns' }],
  },
];
