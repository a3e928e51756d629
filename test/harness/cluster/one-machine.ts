import { Resolver } from 'node:dns/promises';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { backstayImage } from './backstay-image.ts';
import { importImage, startContainerd } from './containerd.ts';
import {
  apiServerArgs,
  apiServerReady,
  apiServerUrl,
  controllerManagerArgs,
  etcdArgs,
  etcdUrl,
  schedulerArgs,
} from './control-plane.ts';
import { needDebianPackages } from './debian-unpacked.ts';
import { dnsAccess, startDns } from './dns.ts';
import { takeDownOneMachine } from './down.ts';
import { type ImageSpec, imageArchive } from './images.ts';
import { kubectl, kubectlApply } from './kubectl.ts';
import { apiServerPort, files, network, nodeName } from './layout.ts';
import { insideNamespaces, openNamespaces } from './namespaces.ts';
import { startKubelet, startKubeProxy } from './node.ts';
import { pauseImage, postgresImage, s3Image } from './part-images.ts';
import { clusterDir } from './paths.ts';
import { makePki, type Pki, writeKubeconfig } from './pki.ts';
import { ProcessBook } from './processes.ts';
import { clusterPrograms, type Programs } from './programs.ts';
import { type Tell, timed } from './story.ts';
import { recycleVolumes, storageObjects } from './volumes.ts';
import { waitFor } from './wait.ts';

const images: readonly ImageSpec[] = [pauseImage, postgresImage, s3Image, backstayImage];
const packages = ['buildah', 'debootstrap', 'iptables', 'iproute2', 'util-linux', 'mount', 'openssl'];

/** Images that the running node has: name and key of each. */
type Loaded = Record<string, string>;

/**
 * Starts the one-machine cluster and waits until its node is ready and its names resolve. Nothing is started when it
 * runs already; an image whose sources changed is then made and loaded anew. Remains of a crash are cleared first.
 * Throws Unavailable where `whyNotHere` says so. The caller ends it with `takeDownOneMachine`.
 */
export async function bringUpOneMachine(tell: Tell): Promise<void> {
  const loaded = await loadedImages();
  if (loaded !== undefined) {
    await loadImages(await clusterPrograms(tell), loaded, tell);
    await noteComplete(loaded);
    await recycleVolumes();
    tell('        the one-machine cluster is up');
    return;
  }
  await takeDownOneMachine(tell);
  needDebianPackages(packages);
  const programs = await clusterPrograms(tell);
  for (const image of images) await imageArchive(image, tell);

  for (const dir of [clusterDir, files.config, files.pki]) await mkdir(dir, { recursive: true, mode: 0o700 });
  const book = new ProcessBook(files.run);
  await timed(tell, 'opened the namespaces and the network of the node', () => openNamespaces(book));
  const pki = await makePki(files.pki, { ips: [network.nodeAddress, network.kubernetesService], nodeName });
  const loading: Loaded = {};
  const imagesLoaded = timed(tell, 'started containerd and loaded the images', async () => {
    await startContainerd(book, programs);
    await loadImages(programs, loading, tell);
  });
  const url = apiServerUrl({ address: network.nodeAddress, port: apiServerPort });
  const controlled = timed(tell, 'started etcd, API server, controllers and scheduler', () =>
    startControlPlane(book, programs, pki),
  );
  await Promise.all([imagesLoaded, controlled]);
  await timed(tell, `started kubelet, kube-proxy and CoreDNS; ${nodeName} is ready`, async () => {
    startKubelet(book, programs, url, pki);
    startKubeProxy(book, programs, url, pki);
    startDns(book, programs, url, pki);
    await Promise.all([nodeReady(book), namesResolve(book), kubectlApply(storageObjects())]);
  });
  await noteComplete(loading);
}

/** Whether every process of a complete `up` is alive; what `status` prints. */
export async function oneMachineState(): Promise<{ state: 'up' } | { state: 'down' | 'broken'; why: string }> {
  if (!existsSync(clusterDir)) return { state: 'down', why: 'nothing of it is there' };
  if (!existsSync(files.complete)) return { state: 'broken', why: 'it never came up completely' };
  const book = new ProcessBook(files.run);
  const dead = book.names().filter((name) => book.pid(name) === undefined);
  return dead.length === 0 ? { state: 'up' } : { state: 'broken', why: `${dead.join(', ')} does not run` };
}

async function loadedImages(): Promise<Loaded | undefined> {
  if ((await oneMachineState()).state !== 'up') return undefined;
  return JSON.parse(await readFile(files.complete, 'utf8')) as Loaded;
}

async function noteComplete(loaded: Loaded): Promise<void> {
  await writeFile(`${files.complete}.part`, JSON.stringify(loaded));
  await rename(`${files.complete}.part`, files.complete);
}

async function startControlPlane(book: ProcessBook, programs: Programs, pki: Pki): Promise<void> {
  const address = network.nodeAddress;
  const start = (name: string, command: string, args: string[]): void => {
    book.start(insideNamespaces(book, { name, command, args }));
  };
  const etcd = { program: programs.etcd, dataDir: files.etcd, address, clientPort: 2379, peerPort: 2380 };
  start('etcd', etcd.program, etcdArgs(etcd));
  const apiServer = {
    program: join(programs.kubernetesDir, 'kube-apiserver'),
    address,
    port: apiServerPort,
    serviceRange: network.services,
    etcdUrl: etcdUrl(etcd),
    pki,
    dir: clusterDir,
    extraArgs: [],
  };
  const url = apiServerUrl(apiServer);
  start('kube-apiserver', apiServer.program, apiServerArgs(apiServer));
  writeKubeconfig(files.kubeconfig, url, pki, 'admin');
  const controllers = join(files.config, 'controllers.kubeconfig');
  writeKubeconfig(controllers, url, pki, 'controllers');
  const scheduler = join(files.config, 'scheduler.kubeconfig');
  writeKubeconfig(scheduler, url, pki, 'scheduler');
  await apiServerReady(url, pki, book);
  start(
    'kube-controller-manager',
    join(programs.kubernetesDir, 'kube-controller-manager'),
    controllerManagerArgs(controllers, pki),
  );
  start('kube-scheduler', join(programs.kubernetesDir, 'kube-scheduler'), schedulerArgs(scheduler));
  await kubectlApply(dnsAccess);
}

async function loadImages(programs: Programs, loaded: Loaded, tell: Tell): Promise<void> {
  for (const image of images) {
    const archive = await imageArchive(image, tell);
    if (loaded[image.name] === archive.key) continue;
    await importImage(programs, archive);
    loaded[image.name] = archive.key;
  }
}

async function nodeReady(book: ProcessBook): Promise<void> {
  const path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
  await waitFor('the node to be ready', async () => (await kubectl(['get', 'node', nodeName, '-o', path])) === 'True', {
    timeoutMs: 90_000,
    intervalMs: 250,
    explain: () => `${book.tail('kubelet')}\n${book.tail('containerd', 5)}`,
  });
}

async function namesResolve(book: ProcessBook): Promise<void> {
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([network.nodeAddress]);
  const name = 'kubernetes.default.svc.cluster.local';
  await waitFor(
    'the cluster to resolve names',
    async () => (await resolver.resolve4(name)).includes(network.kubernetesService),
    {
      timeoutMs: 30_000,
      explain: () => book.tail('coredns'),
    },
  );
}
