import { mkdirSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { Pki } from './pki.ts';
import type { ProcessBook } from './processes.ts';
import { waitFor } from './wait.ts';

export interface EtcdSpec {
  program: string;
  dataDir: string;
  address: string;
  clientPort: number;
  peerPort: number;
}

export function etcdUrl(spec: EtcdSpec): string {
  return `http://${spec.address}:${spec.clientPort}`;
}

/** Arguments of an etcd that forgets to sync: a test cluster's data need not outlive the machine. */
export function etcdArgs(spec: EtcdSpec): string[] {
  mkdirSync(spec.dataDir, { recursive: true, mode: 0o700 });
  const peerUrl = `http://${spec.address}:${spec.peerPort}`;
  return [
    '--name=backstay',
    `--data-dir=${spec.dataDir}`,
    `--listen-client-urls=${etcdUrl(spec)}`,
    `--advertise-client-urls=${etcdUrl(spec)}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=backstay=${peerUrl}`,
    '--unsafe-no-fsync',
    '--logger=zap',
    '--log-level=warn',
  ];
}

export interface ApiServerSpec {
  program: string;
  address: string;
  port: number;
  serviceRange: string;
  etcdUrl: string;
  pki: Pki;
  dir: string;
  extraArgs: readonly string[];
}

export function apiServerUrl(spec: Pick<ApiServerSpec, 'address' | 'port'>): string {
  return `https://${spec.address}:${spec.port}`;
}

export function apiServerArgs(spec: ApiServerSpec): string[] {
  return [
    `--advertise-address=${spec.address}`,
    `--bind-address=${spec.address}`,
    `--secure-port=${spec.port}`,
    `--etcd-servers=${spec.etcdUrl}`,
    `--service-cluster-ip-range=${spec.serviceRange}`,
    `--cert-dir=${join(spec.dir, 'made-by-apiserver')}`,
    `--tls-cert-file=${spec.pki.certFile}`,
    `--tls-private-key-file=${spec.pki.keyFile}`,
    `--token-auth-file=${spec.pki.tokenFile}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-signing-key-file=${spec.pki.serviceAccountKeyFile}`,
    `--service-account-key-file=${spec.pki.serviceAccountPublicFile}`,
    `--kubelet-client-certificate=${spec.pki.kubeletClientCertFile}`,
    `--kubelet-client-key=${spec.pki.kubeletClientKeyFile}`,
    // The name of a test machine need not resolve.
    '--kubelet-preferred-address-types=InternalIP',
    '--profiling=false',
    ...spec.extraArgs,
  ];
}

/** Arguments of the controllers: alone on the field, so without an election. */
export function controllerManagerArgs(kubeconfig: string, pki: Pki): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--service-account-private-key-file=${pki.serviceAccountKeyFile}`,
    `--root-ca-file=${pki.caFile}`,
    '--use-service-account-credentials=true',
    '--bind-address=127.0.0.1',
    '--leader-elect=false',
    '--profiling=false',
  ];
}

export function schedulerArgs(kubeconfig: string): string[] {
  return [`--kubeconfig=${kubeconfig}`, '--bind-address=127.0.0.1', '--leader-elect=false', '--profiling=false'];
}

/** Waits until the API server says that it is ready; shows its log when it is not in time. */
export async function apiServerReady(url: string, pki: Pki, book: ProcessBook, timeoutMs = 60_000): Promise<void> {
  await waitFor(
    'the API server to be ready',
    async () => {
      if (book.pid('kube-apiserver') === undefined) return false;
      return (await statusOf(`${url}/readyz`, readFileSync(pki.caFile), pki.token('admin'))) === 200;
    },
    { timeoutMs, intervalMs: 50, explain: () => `${book.tail('etcd', 5)}\n${book.tail('kube-apiserver')}` },
  );
}

function statusOf(url: string, ca: Buffer, token: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { Authorization: `Bearer ${token}` };
    const asking = request(url, { ca, headers, agent: false, timeout: 2_000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asking.on('timeout', () => asking.destroy(new Error('no answer within 2 s')));
    asking.on('error', reject);
    asking.end();
  });
}
