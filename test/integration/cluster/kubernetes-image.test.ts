import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { version } from '../../../src/version.ts';
import { backstayImage } from '../../harness/cluster/backstay-image.ts';
import { imageArchive } from '../../harness/cluster/images.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { type UnpackedImage, unpackImage } from '../../harness/cluster/unpacked-image.ts';

// The first run on a machine makes Debian and Node images, too.
const coldMs = 10 * 60_000;

interface Bom {
  metadata: { component: { name: string; version: string } };
  components: { name: string; version: string; purl: string }[];
}

describe('the image', () => {
  let image: UnpackedImage;
  let files: { path: string; mode: number; size: number; inode: number }[];

  beforeAll(async () => {
    image = await unpackImage(await imageArchive(backstayImage, tellOnStderr));
    files = readdirSync(image.root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        const { mode, size, ino: inode } = statSync(path);
        return { path: path.slice(image.root.length), mode, size, inode };
      });
  }, coldMs);
  afterAll(() => image?.remove());

  const named = (pattern: RegExp) => files.map(({ path }) => path).filter((path) => pattern.test(path));
  const inside = (command: readonly string[], uid: number) =>
    spawnSync('chroot', [`--userspec=${uid}:${uid}`, image.root, ...command], {
      encoding: 'utf8',
      env: { PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', NODE_ENV: 'production' },
    });
  const bom = () => JSON.parse(readFileSync(join(image.root, 'app/sbom.cdx.json'), 'utf8')) as Bom;

  it('is below 300 MB', () => {
    const bytes = [...new Map(files.map(({ inode, size }) => [inode, size])).values()].reduce(
      (sum, size) => sum + size,
    );
    expect(bytes / 1_000_000).toBeLessThan(300);
  });

  it('has nothing that builds or installs for Node, and nothing that only people and compilers read', () => {
    expect(named(/\/(npm|npx|corepack|yarn|pnpm|gcc|cc|g\+\+|make|python3?|tsc)$/)).toEqual([]);
    expect(named(/\.map$|^\/app\/.*\.[mc]?ts$/)).toEqual([]);
    expect(named(/\/node_modules\/(typescript|jest|@biomejs|@swc)\//)).toEqual([]);
    expect(named(/^\/app\/(src|test|scripts)\//)).toEqual([]);
  });

  it('says what it is and runs as a number that is not root', () => {
    expect(image.config.User).toBe('65532:65532');
    expect(image.config.Entrypoint).toEqual(['node', '/app/dist/main.js']);
    expect(image.config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'backstay',
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.revision': expect.any(String),
      'org.opencontainers.image.source': expect.stringMatching(/^https:\/\//),
      'org.opencontainers.image.licenses': 'Apache-2.0',
    });
  });

  it.each([65_532, 1_000_680_000])(
    'runs as user %d without a line in passwd, and this user can change nothing of it',
    (uid) => {
      const answer = inside(['/usr/local/bin/node', '/app/dist/main.js', '--version'], uid);
      expect([answer.status, answer.stdout.trim(), answer.stderr]).toEqual([0, version, '']);
      expect(files.filter(({ path, mode }) => path.startsWith('/app/') && (mode & 0o444) !== 0o444)).toEqual([]);
      expect(files.filter(({ mode }) => (mode & 0o002) !== 0)).toEqual([]);
    },
  );

  it('knows its commands, and lacks nothing that any module of it loads', () => {
    const help = inside(['/usr/local/bin/node', '/app/dist/main.js', '--help'], 4_242);
    expect(help.stdout).toMatch(/operator/);
    const modules = named(/^\/app\/dist\/.*\.js$/).filter((path) => path !== '/app/dist/main.js');
    expect(modules).toContain('/app/dist/agent/agent.js');
    const load = `for (const module of ${JSON.stringify(modules)}) await import(module);`;
    const loaded = inside(['/usr/local/bin/node', '--input-type=module', '--eval', load], 4_242);
    expect([loaded.status, loaded.stderr]).toEqual([0, '']);
  });

  it('lists in its bill of materials exactly the packages that it has: of npm, of Debian, and Node', () => {
    const { metadata, components } = bom();
    expect(metadata.component).toMatchObject({ name: 'backstay', version });
    const listed = (kind: string) =>
      components
        .filter(({ purl }) => purl.startsWith(`pkg:${kind}/`))
        .map(({ name, version: is }) => `${name} ${is}`)
        .sort();
    expect(listed('npm')).toEqual([...new Set(packagesIn(join(image.root, 'app/node_modules')))].sort());
    const { stdout } = inside(['/usr/bin/dpkg-query', '-W', '-f', '${Package} ${Version}\n'], 4_242);
    expect(listed('deb')).toEqual(stdout.trim().split('\n').sort());
    const node = inside(['/usr/local/bin/node', '--version'], 4_242);
    expect(listed('generic')).toEqual([`node ${node.stdout.trim().slice(1)}`]);
  });

  it('says in its bill of materials nothing about the machine that built it', () => {
    const text = JSON.stringify(bom());
    expect(text).not.toContain('"distribution"');
    expect(text).not.toContain('timestamp');
    expect(text).not.toContain('serialNumber');
  });
});

/** Every package below, also those that lie in another one's own node_modules. */
function packagesIn(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    if (name.startsWith('@')) return packagesIn(path);
    const file = join(path, 'package.json');
    if (!existsSync(file)) return [];
    const own = JSON.parse(readFileSync(file, 'utf8')) as { name: string; version: string };
    return [`${own.name} ${own.version}`, ...packagesIn(join(path, 'node_modules'))];
  });
}
