import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { installDebianPackages } from '../debian.ts';
import { withLock } from './lock.ts';
import { cacheDir } from './paths.ts';
import { run, succeeds } from './run.ts';
import { type Tell, timed } from './story.ts';
import { Unavailable } from './unavailable.ts';

/** Installs what dpkg does not know as installed; Unavailable where that cannot be done (not root, no Debian). */
export function needDebianPackages(names: readonly string[]): void {
  const refusal = installDebianPackages(names);
  if (refusal !== undefined) throw new Unavailable(refusal);
}

/**
 * Unpacks the newest version of a Debian package into the cache without installing it, and answers the directory.
 * Installing containerd or etcd would start a service of theirs that nobody asked for.
 */
export async function unpackDebianPackage(tell: Tell, name: string): Promise<string> {
  const target = join(cacheDir, 'debian', name);
  if (existsSync(target)) return target;
  await mkdir(join(cacheDir, 'debian'), { recursive: true });
  await withLock(`${target}.lock`, async () => {
    if (existsSync(target)) return;
    if (!(await succeeds('apt-get', ['--version']))) throw new Unavailable('this is no Debian or Ubuntu: no apt-get');
    await withLock(join(cacheDir, 'apt.lock'), () => refreshLists(tell));
    const part = await mkdtemp(join(cacheDir, 'debian', '.part-'));
    try {
      await timed(tell, `fetched Debian's ${name}`, async () => {
        await run('apt-get', ['-qq', 'download', name], { cwd: part });
        const [archive] = await readdir(part);
        await run('dpkg-deb', ['-x', join(part, archive ?? ''), join(part, 'tree')]);
      });
      await rename(join(part, 'tree'), target);
    } finally {
      await rm(part, { recursive: true, force: true });
    }
  });
  return target;
}

async function refreshLists(tell: Tell): Promise<void> {
  if (process.getuid?.() !== 0) return;
  await timed(tell, 'fetched the package lists', () => run('apt-get', ['-qq', 'update']));
}
