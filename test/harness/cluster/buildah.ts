import { join } from 'node:path';
import { cacheDir } from './paths.ts';
import { run } from './run.ts';

/** buildah with a storage of its own under the cache, so that nothing of the user's images is seen or changed. */
export function buildah(...args: [string, ...string[]] | [{ timeoutMs: number }, ...string[]]): Promise<string> {
  const [first, ...rest] = args;
  const options = typeof first === 'string' ? {} : first;
  const words = typeof first === 'string' ? [first, ...rest] : rest;
  const dirs = ['--root', join(cacheDir, 'buildah', 'root'), '--runroot', join(cacheDir, 'buildah', 'run')];
  const storage = [...dirs, '--storage-driver', 'overlay'];
  return run('buildah', [...storage, ...words], { ...options, env: { BUILDAH_ISOLATION: 'chroot' } });
}

export interface ImageContents {
  /** Name of the image to start from; left out: from nothing. */
  from?: string;
  /** Files and directories of this machine, and where they go. */
  add: readonly { source: string; target: string }[];
  /** Shell commands run in the image's own root file system, in order. */
  commands?: readonly string[];
  /** Flags of `buildah config`, such as `--env=PATH=...`. */
  config?: readonly string[];
}

/** Makes an image without a Dockerfile and gives it these names. */
export async function makeImage(contents: ImageContents, names: readonly string[]): Promise<void> {
  const container = (await buildah('from', '--pull-never', contents.from ?? 'scratch')).trim();
  try {
    for (const { source, target } of contents.add) await buildah('add', '--quiet', container, source, target);
    for (const command of contents.commands ?? []) await buildah('run', container, '--', 'sh', '-ec', command);
    if (contents.config !== undefined) await buildah('config', ...contents.config, container);
    const [first = '', ...others] = names;
    await buildah('commit', '--quiet', '--format', 'oci', container, first);
    for (const name of others) await buildah('tag', first, name);
  } finally {
    await buildah('rm', container);
  }
}
