import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageArchive } from './images.ts';
import { run } from './run.ts';

export interface UnpackedImage {
  /** The root file system, with the owners and modes it has in the image when this runs as root. */
  root: string;
  /** As the image says how it is run. */
  config: {
    User?: string;
    Entrypoint?: string[];
    Env?: string[];
    Labels?: Record<string, string>;
    WorkingDir?: string;
  };
  remove(): Promise<void>;
}

/** Lays an image's layers over each other in a directory of its own; the caller removes it. Throws on a whiteout. */
export async function unpackImage({ file }: ImageArchive): Promise<UnpackedImage> {
  const directory = await mkdtemp(join(tmpdir(), 'backstay-image-'));
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const layout = join(directory, 'layout');
    const root = join(directory, 'root');
    for (const path of [layout, root]) await mkdir(path);
    await run('tar', ['-xf', file, '-C', layout]);
    const blob = (digest: string): string => join(layout, 'blobs', ...digest.split(':'));
    const json = async (path: string) => JSON.parse(await readFile(path, 'utf8'));
    const index = await json(join(layout, 'index.json'));
    const manifest = await json(blob(index.manifests[0].digest));
    for (const { digest } of manifest.layers as { digest: string }[]) {
      const names = await run('tar', ['-tf', blob(digest)]);
      if (/(^|\/)\.wh\./m.test(names)) throw new Error(`layer ${digest} deletes what an earlier one brought`);
      await run('tar', ['-xpf', blob(digest), '-C', root]);
    }
    const { config } = await json(blob(manifest.config.digest));
    return { root, config, remove };
  } catch (thrown) {
    await remove();
    throw thrown;
  }
}
