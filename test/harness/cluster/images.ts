import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { buildah } from './buildah.ts';
import { digestOfText } from './digest.ts';
import { withLock } from './lock.ts';
import { cacheDir } from './paths.ts';
import { type Tell, timed } from './story.ts';

export interface ImageSpec {
  /** The name that pods and Dockerfiles use. */
  name: string;
  /** Images that it is made from: they are made first, and a change of theirs makes it anew. */
  parents?: readonly ImageSpec[];
  /** Changes when what goes into the image changes. */
  key(): Promise<string>;
  /** Makes the image in buildah's storage under these names. */
  build(names: readonly string[], tell: Tell): Promise<void>;
}

export interface ImageArchive {
  name: string;
  /** An OCI archive, to be imported into containerd. */
  file: string;
  key: string;
}

const archiveDir = join(cacheDir, 'images');

/** For files on their way into an image; emptied before each build. */
export const buildingDir = join(archiveDir, 'building');

/** The archive of the image as its inputs are now: out of the cache, or made. Older archives of it are removed. */
export async function imageArchive(spec: ImageSpec, tell: Tell): Promise<ImageArchive> {
  const key = await fullKey(spec);
  const file = join(archiveDir, `${slug(spec.name)}-${key}.tar`);
  const archive = { name: spec.name, file, key };
  if (existsSync(file)) return archive;
  await mkdir(archiveDir, { recursive: true });
  await withLock(join(archiveDir, 'build.lock'), async () => {
    if (existsSync(file)) return;
    // What a build that was killed left behind.
    await rm(buildingDir, { recursive: true, force: true });
    await mkdir(buildingDir, { recursive: true });
    await buildah('rm', '--all');
    await rm(`${file}.part`, { force: true });
    await made(spec, tell);
    await buildah('push', '--quiet', '--format', 'oci', spec.name, `oci-archive:${file}.part:${spec.name}`);
    await rename(`${file}.part`, file);
    for (const old of await readdir(archiveDir)) {
      const isOlder = old.startsWith(`${slug(spec.name)}-`) && old.length === `${slug(spec.name)}-${key}.tar`.length;
      if (isOlder && join(archiveDir, old) !== file) await rm(join(archiveDir, old));
    }
  });
  return archive;
}

/** The image, and first its parents, in buildah's storage under its name, as its inputs are now. */
async function made(spec: ImageSpec, tell: Tell): Promise<void> {
  for (const parent of spec.parents ?? []) await made(parent, tell);
  // The name alone would not tell an image of yesterday's inputs from this one.
  const keyed = `localhost/backstay-harness/${slug(spec.name)}:${await fullKey(spec)}`;
  if (await isInStorage(keyed)) {
    await buildah('tag', keyed, spec.name);
    return;
  }
  await timed(tell, `made the image ${spec.name}`, () => spec.build([spec.name, keyed], tell));
}

async function isInStorage(name: string): Promise<boolean> {
  return buildah('inspect', '--type', 'image', '--format', '{{.FromImageID}}', name).then(
    () => true,
    () => false,
  );
}

async function fullKey(spec: ImageSpec): Promise<string> {
  const parents = await Promise.all((spec.parents ?? []).map(fullKey));
  return digestOfText(await spec.key(), ...parents);
}

function slug(name: string): string {
  return name.replace(/^.*\//, '').replaceAll(/[^a-z0-9.]+/gi, '-');
}
