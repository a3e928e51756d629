import { cp, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { newestPostgres } from '../postgres-programs.ts';
import { debianImage } from './base-images.ts';
import { makeImage } from './buildah.ts';
import { digestOfFiles, digestOfText } from './digest.ts';
import { goProgram, pauseProgram } from './go-programs.ts';
import { buildingDir, type ImageSpec } from './images.ts';
import { silent } from './story.ts';

const filesDir = join(import.meta.dirname, 'images');
const entrypoint = join(filesDir, 'postgres-entrypoint.sh');

export const pauseImage: ImageSpec = {
  name: 'localhost/backstay-pause:1',
  key: async () => digestOfText(await pauseProgram(silent)),
  build: async (names, tell) => {
    const add = [{ source: await pauseProgram(tell), target: '/pause' }];
    await makeImage({ add, config: ['--entrypoint=["/pause"]', '--user=65535:65535'] }, names);
  },
};

/**
 * Stands in for the official PostgreSQL image: the same user (999), PGDATA, variables and entrypoint, every client tool
 * on the path. The locale is C.UTF-8, and the server has no TLS.
 */
export const postgresImage: ImageSpec = {
  name: 'docker.io/library/postgres:18',
  parents: [debianImage],
  key: async () => digestOfText(newestPostgres().root, await digestOfFiles([entrypoint]), '2'),
  build: async (names) => {
    const programs = '/usr/lib/postgresql/18';
    const bin = `${programs}/embedded_postgres/pginstall/bin`;
    const root = await mkdtemp(join(buildingDir, 'postgres-'));
    try {
      // The headers are for building against it; nobody does that in a pod.
      const isWanted = (source: string): boolean => !/(\/include|\.dist-info)$/.test(source);
      await cp(newestPostgres().root, root, { recursive: true, filter: isWanted, verbatimSymlinks: true });
      const commands = [
        'groupadd --gid 999 postgres',
        'useradd --uid 999 --gid 999 --home-dir /var/lib/postgresql --shell /bin/sh postgres',
        `chmod 0755 ${programs}`,
        // Any uid may run the server: what it writes on its own starts in these.
        'install -d -o 999 -g 999 -m 1777 /var/lib/postgresql /var/run/postgresql /tmp',
        `${bin}/postgres --version`,
      ];
      const config = [
        `--env=PATH=${bin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`,
        '--env=PGDATA=/var/lib/postgresql/18/docker',
        '--env=PG_MAJOR=18',
        '--env=LANG=C.UTF-8',
        '--entrypoint=["docker-entrypoint.sh"]',
        '--cmd=postgres',
        '--stop-signal=SIGINT',
        '--port=5432',
      ];
      const add = [
        { source: root, target: programs },
        { source: entrypoint, target: '/usr/local/bin/docker-entrypoint.sh' },
      ];
      await makeImage({ from: debianImage.name, add, commands, config }, names);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  },
};

/** The S3 server: `versitygw` with its posix backend is the image's business of the pod's arguments. */
export const s3Image: ImageSpec = {
  name: 'localhost/versitygw:1',
  parents: [debianImage],
  key: async () => digestOfText(await goProgram(silent, 'versitygw')),
  build: async (names, tell) => {
    const program = await goProgram(tell, 'versitygw');
    const add = [{ source: program, target: '/usr/local/bin/versitygw' }];
    const commands = ['install -d -m 1777 /data', 'versitygw --version'];
    await makeImage({ from: debianImage.name, add, commands, config: ['--entrypoint=["versitygw"]'] }, names);
  },
};
