import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from './lock.ts';
import { cacheDir } from './paths.ts';
import { run, succeeds } from './run.ts';
import { type Tell, timed } from './story.ts';
import { Unavailable } from './unavailable.ts';

/** Installs with apt-get what dpkg does not know as installed. Needs root on Debian or Ubuntu: else Unavailable. */
export async function installDebianPackages(tell: Tell, packages: readonly string[]): Promise<void> {
  const missing: string[] = [];
  for (const name of packages) if (!(await isInstalled(name))) missing.push(name);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0)
    throw new Unavailable(`the packages ${missing.join(', ')} are missing and only root installs`);
  await withLock(join(cacheDir, 'apt.lock'), async () => {
    await refreshLists(tell);
    const flags = ['-qq', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300'];
    await timed(tell, `installed ${missing.join(', ')}`, () =>
      run('apt-get', ['install', ...flags, ...missing], { env: { DEBIAN_FRONTEND: 'noninteractive' } }),
    );
  });
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

async function isInstalled(name: string): Promise<boolean> {
  try {
    return (await run('dpkg-query', ['-W', '-f', '${db:Status-Status}', name])) === 'installed';
  } catch {
    return false;
  }
}

async function refreshLists(tell: Tell): Promise<void> {
  if (process.getuid?.() !== 0) return;
  await timed(tell, 'fetched the package lists', () => run('apt-get', ['-qq', 'update']));
}
