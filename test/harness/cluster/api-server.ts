import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiServerArgs, apiServerReady, apiServerUrl, etcdArgs, etcdUrl } from './control-plane.ts';
import { needDebianPackages, unpackDebianPackage } from './debian-unpacked.ts';
import { freePorts } from './free-port.ts';
import { kubernetesPrograms } from './go-programs.ts';
import { makePki, writeKubeconfig } from './pki.ts';
import { ProcessBook } from './processes.ts';
import { run, succeeds } from './run.ts';
import { silent, type Tell } from './story.ts';

export interface ApiServerOptions {
  /** Passed on to kube-apiserver, such as `--watch-cache=false` or `--min-request-timeout=2`. */
  extraArgs?: readonly string[];
  tell?: Tell;
}

export interface ApiServer {
  kubeconfigPath: string;
  url: string;
  /** Bearer token of a cluster admin. */
  token: string;
  caFile: string;
  /** Ends it as KILL or TERM does and starts it again on the same port, with the same data; resolves when it is ready. */
  restartApiServer(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Freezes the server: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
  /** Forgets every revision before now, so that a watch from an old one is answered with 410 once the cache lacks it. */
  compact(): Promise<void>;
  /** Ends both processes and removes the directory. Safe to call twice. */
  stop(): Promise<void>;
}

/**
 * Starts a real kube-apiserver on its own etcd, in a private directory on free ports of 127.0.0.1: no node, no
 * controllers, no service accounts. Needs no root. `KUBEBUILDER_ASSETS` names a directory with both programs; otherwise
 * kube-apiserver is built from source (minutes, once) and etcd is Debian's. The caller stops it.
 */
export async function apiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const programs = await apiServerPrograms(options.tell ?? silent);
  const dir = await mkdtemp(join(tmpdir(), 'backstay-api-'));
  const address = '127.0.0.1';
  const [clientPort = 0, peerPort = 0, port = 0] = await freePorts(address, 3);
  const pkiDir = join(dir, 'pki');
  await mkdir(pkiDir, { mode: 0o700 });
  const pki = await makePki(pkiDir, { ips: [address, '10.0.0.1'], nodeName: 'none' });
  const book = new ProcessBook(join(dir, 'run'));
  const etcd = { program: programs.etcd, dataDir: join(dir, 'etcd'), address, clientPort, peerPort };
  const spec = {
    program: programs.kubeApiserver,
    address,
    port,
    serviceRange: '10.0.0.0/24',
    etcdUrl: etcdUrl(etcd),
    pki,
    dir,
    // Nobody makes the service account "default" here, and without it no pod could be created.
    extraArgs: ['--disable-admission-plugins=ServiceAccount', ...(options.extraArgs ?? [])],
  };
  const url = apiServerUrl(spec);
  const kubeconfigPath = join(dir, 'kubeconfig');
  const startApiServer = async (): Promise<void> => {
    book.start({ name: 'kube-apiserver', command: spec.program, args: apiServerArgs(spec) });
    await apiServerReady(url, pki, book);
  };
  const stop = async (): Promise<void> => {
    await book.sweep();
    await rm(dir, { recursive: true, force: true });
  };

  writeKubeconfig(kubeconfigPath, url, pki, 'admin');
  try {
    book.start({ name: 'etcd', command: etcd.program, args: etcdArgs(etcd) });
    await startApiServer();
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return {
    kubeconfigPath,
    url,
    token: pki.token('admin'),
    caFile: pki.caFile,
    async restartApiServer(signal = 'SIGKILL') {
      await book.stop('kube-apiserver', signal);
      await startApiServer();
    },
    pause: () => void book.signal('kube-apiserver', 'SIGSTOP'),
    resume: () => void book.signal('kube-apiserver', 'SIGCONT'),
    compact: () => compact(spec.etcdUrl),
    stop,
  };
}

async function compact(url: string): Promise<void> {
  const ask = async (path: string, body: object): Promise<{ header?: { revision?: string } }> => {
    const answer = await fetch(`${url}/v3/kv/${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`etcd answered ${answer.status} to ${path}: ${await answer.text()}`);
    return (await answer.json()) as { header?: { revision?: string } };
  };
  const key = Buffer.from('/').toString('base64');
  const { header } = await ask('range', { key });
  await ask('compaction', { revision: header?.revision, physical: true });
}

async function apiServerPrograms(tell: Tell): Promise<{ etcd: string; kubeApiserver: string }> {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  if (assets && existsSync(join(assets, 'kube-apiserver')) && existsSync(join(assets, 'etcd'))) {
    return { etcd: join(assets, 'etcd'), kubeApiserver: join(assets, 'kube-apiserver') };
  }
  if (!(await succeeds('openssl', ['version']))) needDebianPackages(['openssl']);
  const kubeApiserver = join(await kubernetesPrograms(tell, ['kube-apiserver']), 'kube-apiserver');
  return { etcd: await etcdProgram(tell), kubeApiserver };
}

/** The etcd of the PATH, or Debian's. */
export async function etcdProgram(tell: Tell): Promise<string> {
  if (await succeeds('etcd', ['--version'])) return (await run('sh', ['-c', 'command -v etcd'])).trim();
  return join(await unpackDebianPackage(tell, 'etcd-server'), 'usr', 'bin', 'etcd');
}
