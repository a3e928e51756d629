import { join } from 'node:path';
import { clusterDir } from './paths.ts';

/** The one network that the cluster takes from the machine; nothing else of the machine may use it. */
export const network = {
  whole: '10.231.0.0/16',
  pods: '10.231.0.0/18',
  services: '10.231.128.0/18',
  kubernetesService: '10.231.128.1',
  /** This end of the cable between the machine and the node: how a test's own server is reached from a pod. */
  machineAddress: '10.231.254.1',
  nodeAddress: '10.231.254.2',
  cableBits: 30,
  cable: 'backstay0',
} as const;

export const nodeName = 'backstay-node';
export const apiServerPort = 6443;

export const files = {
  kubeconfig: join(clusterDir, 'kubeconfig'),
  pki: join(clusterDir, 'pki'),
  run: join(clusterDir, 'run'),
  etcd: join(clusterDir, 'etcd'),
  config: join(clusterDir, 'config'),
  kubelet: join(clusterDir, 'kubelet'),
  podLogs: join(clusterDir, 'pod-logs'),
  containerd: join(clusterDir, 'containerd'),
  containerdSocket: join(clusterDir, 'containerd.sock'),
  volumes: join(clusterDir, 'volumes'),
  /** Written last by `up`: what was started is complete. */
  complete: join(clusterDir, 'complete.json'),
} as const;
