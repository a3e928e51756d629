import { spawnSync } from 'node:child_process';

/**
 * Installs what is missing of these Debian packages; the answer is the reason why it could not. Safe to run twice; a
 * machine that has them all is not asked to do anything.
 */
export function installDebianPackages(names: readonly string[]): string | undefined {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) return undefined;
  if (process.getuid?.() !== 0) return `these Debian packages are missing: ${missing.join(' ')}`;
  process.stdout.write(`installing from Debian: ${missing.join(' ')} ...\n`);
  const startedMs = Date.now();
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args: string[]): { status: number | null; stderr: string } =>
    spawnSync('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=300', ...args], { encoding: 'utf8', env: environment });
  let answer = apt('install', '-y', '--no-install-recommends', ...missing);
  if (answer.status !== 0) {
    apt('update');
    answer = apt('install', '-y', '--no-install-recommends', ...missing);
  }
  if (answer.status !== 0) return `apt-get could not install ${missing.join(' ')}: ${answer.stderr.trim().slice(-300)}`;
  process.stdout.write(`  done in ${((Date.now() - startedMs) / 1000).toFixed(0)} s\n`);
  return undefined;
}

function isInstalled(name: string): boolean {
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f=${db:Status-Status}', name], { encoding: 'utf8' });
  return stdout === 'installed';
}
