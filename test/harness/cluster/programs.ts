import { join } from 'node:path';
import { etcdProgram } from './api-server.ts';
import { unpackDebianPackage } from './debian-unpacked.ts';
import { goProgram, type KubernetesProgram, kubernetesPrograms } from './go-programs.ts';
import type { Tell } from './story.ts';

const kubernetes = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
] as const satisfies KubernetesProgram[];

/** Every program of the one-machine cluster, by its full path. */
export interface Programs {
  etcd: string;
  coredns: string;
  containerd: string;
  ctr: string;
  runc: string;
  /** The directory of the network plugins. */
  cniDir: string;
  /** The directory of the Kubernetes programs. */
  kubernetesDir: string;
  kubectl: string;
}

/** Fetches and builds what is missing. */
export async function clusterPrograms(tell: Tell): Promise<Programs> {
  const kubernetesDir = await kubernetesPrograms(tell, kubernetes);
  const containerd = join(await unpackDebianPackage(tell, 'containerd'), 'usr', 'bin');
  return {
    etcd: await etcdProgram(tell),
    coredns: await goProgram(tell, 'coredns'),
    containerd: join(containerd, 'containerd'),
    ctr: join(containerd, 'ctr'),
    runc: join(await unpackDebianPackage(tell, 'runc'), 'usr', 'sbin', 'runc'),
    cniDir: join(await unpackDebianPackage(tell, 'containernetworking-plugins'), 'usr', 'lib', 'cni'),
    kubernetesDir,
    kubectl: join(kubernetesDir, 'kubectl'),
  };
}
