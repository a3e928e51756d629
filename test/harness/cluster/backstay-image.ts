import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { version } from '../../../src/version.ts';
import { debianImage, nodeImage } from './base-images.ts';
import { buildah } from './buildah.ts';
import { digestOfFiles } from './digest.ts';
import type { ImageSpec } from './images.ts';
import { cacheDir, checkoutDir } from './paths.ts';
import { run } from './run.ts';

const trustedInside = '/etc/trusted-by-the-builder.crt';
const debianAuthorities = '/etc/ssl/certs/ca-certificates.crt';

const inputs = [
  'Dockerfile',
  '.dockerignore',
  '.npmrc',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'src',
  'scripts/sbom.ts',
];

/** The name under which the chart looks for the image when nobody names another. */
export const imageName = `backstay:${version}`;

/** The project's image, from the project's Dockerfile as it is. Made anew when the sources change. */
export const backstayImage: ImageSpec = {
  name: `docker.io/library/${imageName}`,
  parents: [nodeImage, debianImage],
  key: () => digestOfFiles(inputs.map((name) => join(checkoutDir, name))),
  build: async (names) => {
    const tags = names.flatMap((name) => ['--tag', name]);
    const volumes = (await npmVolumes()).flatMap((volume) => ['--volume', volume]);
    const flags = ['--quiet', '--format', 'oci', '--isolation', 'chroot', '--pull-never', '--layers=false'];
    const file = ['--file', join(checkoutDir, 'Dockerfile')];
    // npm tries for a very long time when it cannot reach its registry.
    await buildah({ timeoutMs: 5 * 60_000 }, 'bud', ...flags, ...tags, ...volumes, ...file, checkoutDir);
  },
};

/**
 * How npm reaches its registry from within the build: this user's settings and the certificates that this machine
 * trusts, seen by the build's steps and never part of the image. The cache of packages is the harness's own.
 */
async function npmVolumes(): Promise<string[]> {
  const setting = async (name: string): Promise<string> => (await run('npm', ['config', 'get', name])).trim();
  const npmCache = join(cacheDir, 'npm');
  await mkdir(npmCache, { recursive: true });
  const machineSettings = join(npmCache, 'machine-npmrc');
  await writeFile(machineSettings, `registry=${await setting('registry')}\ncafile=${trustedInside}\n`);
  const volumes = [`${npmCache}:/root/.npm`, `${machineSettings}:/usr/local/etc/npmrc:ro`];
  const userSettings = await setting('userconfig');
  if (existsSync(userSettings)) volumes.push(`${userSettings}:/root/.npmrc:ro`);
  const ownAuthority = await setting('cafile');
  const places = [ownAuthority, process.env['NODE_EXTRA_CA_CERTS'], process.env['SSL_CERT_FILE'], debianAuthorities];
  const trusted = places.find((file) => file !== undefined && existsSync(file));
  // Without such a file npm trusts what Node was built with, and a setting that names none would be an error.
  if (trusted === undefined) await writeFile(machineSettings, `registry=${await setting('registry')}\n`);
  else volumes.push(`${trusted}:${trustedInside}:ro`);
  if (existsSync(ownAuthority)) volumes.push(`${ownAuthority}:${ownAuthority}:ro`);
  return volumes;
}
