import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ImageArchive } from './images.ts';
import { files, network } from './layout.ts';
import { insideNamespaces } from './namespaces.ts';
import { pauseImage } from './part-images.ts';
import type { ProcessBook } from './processes.ts';
import type { Programs } from './programs.ts';
import { run, succeeds } from './run.ts';
import { waitFor } from './wait.ts';

/** Starts containerd with its own root, state and socket, and the pods' network configured; waits until it answers. */
export async function startContainerd(book: ProcessBook, programs: Programs): Promise<void> {
  const networkDir = join(files.config, 'cni');
  mkdirSync(networkDir, { recursive: true });
  writeFileSync(join(networkDir, '10-backstay.conflist'), JSON.stringify(podNetwork(), null, 2));
  const configFile = join(files.config, 'containerd.toml');
  writeFileSync(configFile, containerdConfig(programs, networkDir));
  book.start(
    insideNamespaces(book, {
      name: 'containerd',
      command: programs.containerd,
      args: ['--config', configFile],
      // It looks for its shim beside itself in the path.
      env: { PATH: `${dirname(programs.containerd)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin` },
    }),
  );
  await waitFor('containerd to answer', () => succeeds(programs.ctr, ctrArgs('version')), {
    timeoutMs: 20_000,
    explain: () => book.tail('containerd'),
  });
}

/** Arguments of `ctr` for the cluster's containerd, in the namespace that Kubernetes uses. */
export function ctrArgs(...args: string[]): string[] {
  return ['--address', files.containerdSocket, '--namespace', 'k8s.io', ...args];
}

/** Loads an archive made by `imageArchive`, under its name. */
export async function importImage(programs: Pick<Programs, 'ctr'>, archive: ImageArchive): Promise<void> {
  await run(programs.ctr, ctrArgs('images', 'import', archive.file));
}

function containerdConfig(programs: Programs, networkDir: string): string {
  return `version = 2
root = "${files.containerd}"
state = "/run/containerd"

[grpc]
address = "${files.containerdSocket}"

[plugins."io.containerd.internal.v1.opt"]
path = "${files.containerd}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${pauseImage.name}"
stream_server_address = "127.0.0.1"
netns_mounts_under_state_dir = true
# Where CAP_SYS_RESOURCE is lacking, runc dies on the lower score that the kubelet asks for.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "${programs.runc}"
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "${programs.cniDir}"
conf_dir = "${networkDir}"
`;
}

function podNetwork(): object {
  return {
    cniVersion: '0.4.0',
    name: 'backstay',
    plugins: [
      {
        type: 'bridge',
        bridge: 'pods0',
        isGateway: true,
        ipMasq: true,
        // A pod must reach itself through its own service.
        hairpinMode: true,
        ipam: { type: 'host-local', ranges: [[{ subnet: network.pods }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}
