import { mkdirSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOfText } from './digest.ts';
import { files, network, nodeName } from './layout.ts';
import { insideNamespaces } from './namespaces.ts';
import { clusterDir } from './paths.ts';
import { type Pki, writeKubeconfig } from './pki.ts';
import type { ProcessBook } from './processes.ts';
import type { Programs } from './programs.ts';

/** Cgroup of every pod: of this cache directory's cluster alone, so that `down` may end whatever runs in it. */
export const podsCgroup = `backstay-${digestOfText(clusterDir).slice(0, 8)}`;
const cgroupRoot = '/sys/fs/cgroup';

/** Starts the kubelet; the node registers itself. */
export function startKubelet(book: ProcessBook, programs: Programs, apiServerUrl: string, pki: Pki): void {
  for (const dir of cgroupDirs()) mkdirSync(join(dir, podsCgroup), { recursive: true });
  mkdirSync(files.podLogs, { recursive: true });
  const kubeconfig = join(files.config, 'kubelet.kubeconfig');
  writeKubeconfig(kubeconfig, apiServerUrl, pki, 'kubelet');
  const configFile = join(files.config, 'kubelet.yaml');
  writeFileSync(configFile, JSON.stringify(kubeletConfig(pki), null, 2));
  book.start(
    insideNamespaces(book, {
      name: 'kubelet',
      command: join(programs.kubernetesDir, 'kubelet'),
      args: [
        `--config=${configFile}`,
        `--kubeconfig=${kubeconfig}`,
        `--root-dir=${files.kubelet}`,
        `--hostname-override=${nodeName}`,
        `--node-ip=${network.nodeAddress}`,
        `--cert-dir=${join(files.kubelet, 'pki')}`,
      ],
    }),
  );
}

/** Starts kube-proxy: services by iptables, within the cluster's own network namespace. */
export function startKubeProxy(book: ProcessBook, programs: Programs, apiServerUrl: string, pki: Pki): void {
  const kubeconfig = join(files.config, 'kube-proxy.kubeconfig');
  writeKubeconfig(kubeconfig, apiServerUrl, pki, 'proxy');
  const configFile = join(files.config, 'kube-proxy.yaml');
  const config = {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    clientConnection: { kubeconfig },
    hostnameOverride: nodeName,
    mode: 'iptables',
    clusterCIDR: network.pods,
    bindAddress: network.nodeAddress,
    // These limits belong to the whole machine: leave them.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
  writeFileSync(configFile, JSON.stringify(config, null, 2));
  const command = join(programs.kubernetesDir, 'kube-proxy');
  book.start(insideNamespaces(book, { name: 'kube-proxy', command, args: [`--config=${configFile}`] }));
}

/** The directories that hold a cgroup of ours: one a controller with cgroup v1, one in all with v2. */
export function cgroupDirs(): string[] {
  const entries = readdirSync(cgroupRoot, { withFileTypes: true });
  if (entries.some((entry) => entry.name === 'cgroup.controllers')) return [cgroupRoot];
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(cgroupRoot, entry.name));
}

/** Removes a cgroup and those within it; all must be without a process. */
export function removeCgroup(dir: string): void {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(dir, entry.name));
  }
  rmdirSync(dir);
}

function kubeletConfig(pki: Pki): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: pki.caFile } },
    authorization: { mode: 'Webhook' },
    containerRuntimeEndpoint: `unix://${files.containerdSocket}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${podsCgroup}`,
    cgroupsPerQOS: true,
    failSwapOn: false,
    failCgroupV1: false,
    podLogsDir: files.podLogs,
    volumePluginDir: join(files.kubelet, 'volume-plugins'),
    clusterDomain: 'cluster.local',
    clusterDNS: [network.nodeAddress],
    resolvConf: join(files.config, 'resolv.conf'),
    // A test machine is not emptied because its disk is 90 % full.
    evictionHard: {
      'memory.available': '1%',
      'nodefs.available': '1%',
      'imagefs.available': '1%',
      'nodefs.inodesFree': '1%',
    },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    // Tests wait for what the kubelet sees; they should not wait for its politeness to the API server.
    kubeAPIQPS: 200,
    kubeAPIBurst: 400,
    eventRecordQPS: 0,
    syncFrequency: '10s',
    fileCheckFrequency: '10s',
    registryPullQPS: 0,
    maxPods: 200,
  };
}
