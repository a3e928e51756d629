import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../../harness/eventually.ts';
import { comparePortraits, drawPortrait } from '../../harness/portrait.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';
import { backupRole, makeShop } from '../../harness/shop.ts';
import { type EndedObject, Standalone } from '../../harness/standalone.ts';
import { manifestsIn, policyYaml, restoreYaml, runYaml, setShopSecrets } from '../../harness/standalone-shop.ts';

const strange = 'Köln "quoted" a;b\'s\nnew line';

let server: Postgres;
let home: Standalone;
let place: string;

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'backstay-store-'));
  server = await startPostgres();
  for (const database of ['shop', strange]) {
    await makeShop(server, database);
  }
  home = new Standalone(server.bin);
  setShopSecrets(home, server);
  await home.put(policyYaml(server, newStore('shop')) + runYaml('good'));
  await home.start();
  expect((await home.waitForEnd('BackupRun', 'good')).status.phase).toBe('Succeeded');
  await home.waitForRest();
  // At rest nothing but `apply` changes the home.
  await home.kill('SIGTERM');
});

afterAll(async () => {
  await home?.stop();
  await server?.stop();
  rmSync(place, { recursive: true, force: true });
});

function newStore(name: string): string {
  const store = join(place, name);
  mkdirSync(store);
  return store;
}

/** Every file below, with its content where it is text that a person or Backstay reads again. */
const contentOf = (directory: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(directory.length + 1), readFileSync(path, 'latin1')]),
  );

const policy = (): string => policyYaml(server, join(place, 'shop')).replace('---\n', '');
const withSchedule = (schedule: string): string =>
  policyYaml(
    server,
    join(place, 'shop'),
    `  schedules: [{ name: n, method: Dump, dump: { databases: [shop] }, ${schedule} }]`,
  );
const run = runYaml('bad').replace('---\n', '');

describe('apply refuses, writes nothing and says what, where and what to do', () => {
  it.each<[string, () => string, RegExp]>([
    [
      'text that is not YAML',
      () => 'kind: [1',
      /SpecInvalid: this is not YAML: .*bad\.yaml:1:9.*next: Correct the text/s,
    ],
    ['a tab where YAML wants blanks', () => policy().replace('  engine', '\tengine'), /not YAML.*bad\.yaml:5:1/s],
    ['a document that is a list', () => '- 1', /not an object \(.*bad\.yaml:1\).*next: It must have apiVersion/s],
    ['a file without an object', () => '# nothing', /no object in this file .*bad\.yaml.*next: See examples/s],
    [
      'an unknown kind',
      () => policy().replace('BackupPolicy', 'BackupPolcy'),
      /kind is "BackupPolcy" .*next: Did you mean BackupPolicy\?/s,
    ],
    [
      'a version of tomorrow',
      () => policy().replace('v1alpha1', 'v7'),
      /apiVersion is "backstay\.dev\/v7".*next: Write apiVersion/s,
    ],
    [
      'an unknown field',
      () => run.replace('dump:', 'dmp:'),
      /spec\.dmp is no field of a BackupRun.*bad\.yaml, BackupRun bad.*Did you mean dump\?/s,
    ],
    [
      'a field in the wrong place',
      () => policy().replace('    port:', '    prt:'),
      /spec\.target\.prt is no field.*Did you mean port\?/s,
    ],
    [
      'a wrong type',
      () => policy().replace(/port: \d+/, 'port: many'),
      /spec\.target\.port must be a number.*next: See docs\/spec/s,
    ],
    ['a method that is none', () => run.replace('Dump', 'Copy'), /spec\.method must be Dump/],
    ['a cron of words', () => withSchedule('cron: every night'), /spec\.schedules\[0\]\.cron must be five cron fields/],
    [
      'a cron of no hour',
      () => withSchedule('cron: "0 25 * * *"'),
      /spec\.schedules\[0\]\.cron must be a cron expression/,
    ],
    ['a cron that never comes', () => withSchedule('cron: "0 0 31 2 *"'), /spec\.schedules\[0\]\.cron .*never does/],
    [
      'a time zone that is none',
      () => withSchedule('cron: "@daily", timeZone: Europe/Atlantis'),
      /timeZone must be a time zone of the IANA list/,
    ],
    ['a store at a relative path', () => policy().replace(place, 'backups'), /spec\.stores\[0\]\.filesystem\.path/],
    [
      'what only Kubernetes has',
      () => policy().replace(/path: [^ ]+/, 'claimName: backups'),
      /NotSupportedHere: .*claimName.*next: Use spec\.stores\[0\]\.filesystem\.path/s,
    ],
    [
      'a name with blanks and quotes',
      () => `${runYaml('fine')}${runYaml(`"My 'Shop'"`)}`,
      /SpecInvalid: name "My 'Shop'" must be/,
    ],
    [
      'a name with a line break that climbs',
      () => runYaml('"../../x\\ny"'),
      /SpecInvalid: name "\.\.\/\.\.\/x\\ny" must be/,
    ],
    [
      'another spec for a run that is there',
      () => `${runYaml('fine')}${runYaml('good', '', 'shop', 'other')}`,
      /SpecInvalid: a run cannot be changed.*next: Delete the run/s,
    ],
  ])('%s', async (_title, text, said) => {
    const before = contentOf(join(home.home, 'objects'));
    const file = join(place, 'bad.yaml');
    writeFileSync(file, text());
    const { code, stdout, stderr } = await home.command(['apply', '-f', file]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(said);
    expect(stderr).toMatch(/^error: .*\n {2}next: [A-Z].*[.?]\n$/s);
    expect(contentOf(join(home.home, 'objects'))).toEqual(before);
  });

  it('a file that is not there, an option that is none, and a name to delete that is none', async () => {
    expect(await home.command(['apply', '-f', '/no/such.yaml'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/SpecInvalid: cannot read \/no\/such\.yaml: ENOENT/),
    });
    expect(await home.command(['apply', '-f', 'x.yaml', '--wiat'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--wiat'),
    });
    expect(await home.command(['delete', 'run', 'goood'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/ReferenceMissing: there is no BackupRun default\/goood/),
    });
  });
});

/** Applies a policy and a run of their own with --wait, as a person would. */
async function tryBackup(name: string, policyText: string, timeout = '40s') {
  const answer = await home.command(
    ['apply', '-f', '-', '--wait', '--timeout', timeout],
    policyText + runYaml(name, '', name),
  );
  return { ...answer, status: (await home.get<EndedObject['status']>('BackupRun', name))?.status };
}

describe('what only shows at work', () => {
  beforeAll(() => home.start());

  it('a host that is none: exit code 1, and the host is named', async () => {
    const store = newStore('no-host');
    const text = policyYaml(server, store, '', 'no-host').replace(`host: ${server.host}`, 'host: no-such-host.invalid');
    // Nothing mends a name, but the first of two attempts is enough here.
    const { stdout, code } = await tryBackup('no-host', text, '1s');
    expect({ code, stdout }).toEqual({ code: 7, stdout: expect.stringMatching(/still at work; the wait is over/) });
    const first = await eventually(async () => {
      const found = await home.get<EndedObject['status']>('BackupRun', 'no-host');
      expect(found?.status?.attempts?.[0]).toMatchObject({ outcome: 'ServerUnreachable' });
      return found;
    });
    expect(JSON.stringify(first?.status?.conditions)).toContain('no-such-host.invalid');
    expect(readdirSync(store)).toEqual([]);
  });

  it.each<[string, string, (path: string) => void, RegExp]>([
    [
      'that is not there',
      'StoreMissing',
      (path) => rmSync(path, { recursive: true }),
      /next: Create the bucket or the directory/,
    ],
    ['that is a file', 'StoreMissing', (path) => replaceByFile(path), /next: Create the bucket or the directory/],
    [
      'that holds what is not ours',
      'SpecInvalid',
      (path) => writeFileSync(join(path, 'letter.txt'), ''),
      /holds "letter\.txt".*next: Give the policy/s,
    ],
  ])('a store %s: Failed with %s, and nothing in it', async (title, reason, spoil, said) => {
    const name = title.replaceAll(' ', '-');
    const store = newStore(name);
    spoil(store);
    const before = statSync(store, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(store) : [];
    const { code, stdout } = await tryBackup(name, policyYaml(server, store, '', name));
    expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining(`Failed, ${reason}: `) });
    expect(stdout).toMatch(said);
    if (reason !== 'SpecInvalid') expect(stdout).toContain(store);
    expect(statSync(store, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(store) : []).toEqual(before);
  });

  function replaceByFile(path: string): void {
    rmSync(path, { recursive: true });
    writeFileSync(path, '');
  }

  it.each<[string, (file: string) => void, (file: string) => string, (file: string) => void]>([
    [
      'that is not there',
      (file) => rmSync(file),
      (file) => `there is no file ${file}. Make it with mode 0600: install -D -m 600 /dev/stdin ${file}`,
      (file) => writeFileSync(file, backupRole.password, { mode: 0o600 }),
    ],
    [
      'that others may read',
      (file) => chmodSync(file, 0o644),
      (file) => `others may read ${file} (mode 0644). Type: chmod 600 ${file}`,
      (file) => chmodSync(file, 0o600),
    ],
  ])(
    'a secret file %s is waited for, with the command to type; then the run goes on',
    async (title, spoil, said, mend) => {
      const name = `secret-${title.replaceAll(' ', '-')}`;
      const file = join(home.home, 'secrets', 'default', name, 'password');
      home.setSecret(name, backupRole);
      spoil(file);
      const text = policyYaml(server, newStore(name), '', name).replace(
        'secretName: shop-backup',
        `secretName: ${name}`,
      );
      await home.put(text + runYaml(name, '', name));
      await eventually(async () => {
        const found = await home.get<EndedObject['status']>('BackupRun', name);
        const ready = found?.status?.conditions.find(({ type }) => type === 'Ready');
        expect(ready).toMatchObject({
          status: 'False',
          reason: 'SecretMissing',
          message: expect.stringContaining(said(file)),
        });
      });
      mend(file);
      expect((await home.waitForEnd('BackupRun', name)).status.phase).toBe('Succeeded');
    },
  );

  it('a database called with quotes, blanks, a line break and umlauts comes back under such a name', async () => {
    const store = newStore('strange');
    await home.apply(
      policyYaml(server, store, '', 'strange') + runYaml('strange', '', 'strange', JSON.stringify(strange)),
    );
    expect((await home.waitForEnd('BackupRun', 'strange')).status.failure).toBeUndefined();
    const target = `${strange} zurück`;
    await server.query(`CREATE DATABASE "${target.replaceAll('"', '""')}" TEMPLATE template0`);
    await home.apply(restoreYaml(server, 'strange', 'strange', JSON.stringify(target)));
    expect((await home.waitForEnd('RestoreRequest', 'strange')).status.failure).toBeUndefined();
    const original = await drawPortrait(server.connection(strange));
    expect(comparePortraits(original, await drawPortrait(server.connection(target)))).toEqual([]);
  });

  it('after all of it the good backup is as it was, and restores', async () => {
    expect(manifestsIn(join(place, 'shop'))).toHaveLength(1);
    await server.query('CREATE DATABASE back TEMPLATE template0');
    await home.put(restoreYaml(server, 'good', 'good', 'back'));
    expect((await home.waitForEnd('RestoreRequest', 'good')).status.phase).toBe('Succeeded');
  });
});
