import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeImage } from './buildah.ts';
import { digestOfText } from './digest.ts';
import { buildingDir, type ImageSpec } from './images.ts';
import { withLock } from './lock.ts';
import { cacheDir } from './paths.ts';
import { run } from './run.ts';
import { type Tell, timed } from './story.ts';

// Raise it to make every root file system anew.
const rootfsVersion = '1';
const npmVersion = '11.21.2';
const nodeVersion = '24.21.0';

/** What Debian's slim images leave out: nothing of it runs. */
const ballast = [
  'var/cache/apt/archives',
  'var/lib/apt/lists',
  'dev',
  'usr/share/doc',
  'usr/share/man',
  'usr/share/info',
  'usr/share/locale',
  'var/log',
];

/** Stands in for Debian's own image under its own name, made by debootstrap from Debian's packages. */
export const debianImage: ImageSpec = {
  name: 'docker.io/library/debian:bookworm-slim',
  key: async () => digestOfText(rootfsVersion, ...ballast),
  build: async (names, tell) => {
    const rootfs = await debianRootfs(tell);
    await makeImage({ add: [{ source: rootfs, target: '/' }], config: ['--cmd=bash'] }, names);
  },
};

/** Stands in for the official Node image: Debian with the npm packages `node` and `npm` where that image has them. */
export const nodeImage: ImageSpec = {
  name: 'docker.io/library/node:24-bookworm-slim',
  parents: [debianImage],
  key: async () => digestOfText(nodeVersion, npmVersion),
  build: async (names) => {
    const prefix = await mkdtemp(join(buildingDir, 'node-'));
    try {
      await installNode(prefix);
      const commands = [
        'ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm',
        'ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx',
        'groupadd --gid 1000 node && useradd --uid 1000 --gid node --create-home node',
        'node --version && npm --version',
      ];
      const add = [{ source: prefix, target: '/usr/local' }];
      await makeImage({ from: debianImage.name, add, commands, config: ['--cmd=node'] }, names);
    } finally {
      await rm(prefix, { recursive: true, force: true });
    }
  },
};

async function installNode(prefix: string): Promise<void> {
  const into = join(prefix, 'unpacked');
  // The package `node` is a few lines that fetch the package of the platform; that one is asked for by its own name.
  const wanted = [`node-linux-${process.arch}@${nodeVersion}`, `npm@${npmVersion}`];
  await mkdir(into);
  await run('npm', ['install', '--silent', '--no-save', '--ignore-scripts', '--prefix', into, ...wanted], {
    cwd: into,
  });
  await mkdir(join(prefix, 'bin'));
  await mkdir(join(prefix, 'lib', 'node_modules'), { recursive: true });
  await rename(join(into, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node'), join(prefix, 'bin', 'node'));
  await rename(join(into, 'node_modules', 'npm'), join(prefix, 'lib', 'node_modules', 'npm'));
  await rm(into, { recursive: true });
}

async function debianRootfs(tell: Tell): Promise<string> {
  const target = join(cacheDir, 'rootfs', `bookworm-${rootfsVersion}`);
  if (existsSync(target)) return target;
  await mkdir(join(cacheDir, 'rootfs'), { recursive: true });
  await withLock(`${target}.lock`, async () => {
    if (existsSync(target)) return;
    const part = await mkdtemp(join(cacheDir, 'rootfs', '.part-'));
    await run('chmod', ['0755', part]);
    try {
      await timed(tell, 'made a Debian 12 root file system with debootstrap', async () => {
        await run('debootstrap', ['--variant=minbase', 'bookworm', part]);
        for (const path of ballast)
          await run('find', [join(part, path), '-mindepth', '1', '!', '-type', 'd', '-delete']);
      });
      await rename(part, target);
    } finally {
      await rm(part, { recursive: true, force: true });
    }
  });
  return target;
}
