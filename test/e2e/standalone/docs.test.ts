import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseDocument } from 'yaml';
import { eventually } from '../../harness/eventually.ts';
import { comparePortraits, drawPortrait } from '../../harness/portrait.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';
import { makeShop } from '../../harness/shop.ts';
import { type CommandResult, resultOf, Standalone } from '../../harness/standalone.ts';
import { manifestsIn, setShopSecrets } from '../../harness/standalone-shop.ts';

const root = new URL('../../..', import.meta.url).pathname;
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const section = readme.split(/^## /m).find((text) => text.startsWith('On one machine, without Kubernetes')) ?? '';
const [standaloneLine = '', ...lines] = (/^```sh\n(.*?)^```$/ms.exec(section)?.[1] ?? '').trim().split('\n');

let server: Postgres;
/** Where its secrets and objects lie; its processes are those of the commands. */
let home: Standalone;
let place: string;
let service: ChildProcess | undefined;

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'backstay-docs-'));
  mkdirSync(join(place, 'shop'));
  server = await startPostgres();
  await makeShop(server);
  home = new Standalone(server.bin);
  setShopSecrets(home, server);
});

afterAll(async () => {
  if (service?.pid !== undefined && service.exitCode === null && service.signalCode === null) {
    const gone = new Promise((resolve) => service?.once('close', resolve));
    process.kill(-service.pid, 'SIGTERM');
    await gone;
  }
  await home?.stop();
  await server?.stop();
  rmSync(place, { recursive: true, force: true });
});

/** A command as it stands there, in the checkout, with this test's home and with the examples as they were changed. */
function begin(line: string): ChildProcess {
  const text = line.replaceAll('/var/lib/backstay', home.home).replaceAll('examples/standalone', place);
  const env = { ...process.env, PATH: `${server.bin}:${process.env['PATH']}` };
  return spawn('sh', ['-c', text], { cwd: root, detached: true, env, stdio: ['ignore', 'pipe', 'pipe'] });
}

const run = (line: string): Promise<CommandResult> => resultOf(begin(line));

/** What the README says to change first: host, directory and public key. */
function changeExample(file: string, changes: readonly [string[], unknown][]): void {
  const example = parseDocument(readFileSync(join(root, 'examples/standalone', file), 'utf8'));
  for (const [path, value] of changes) example.setIn(path, value);
  writeFileSync(join(place, file), example.toString());
}

const address = (): [string[], unknown][] => [
  [['spec', 'target', 'host'], server.host],
  [['spec', 'target', 'port'], server.port],
];

describe('the README, on one machine', () => {
  it('has a pair of keys made by its command', async () => {
    const command = /`(npm run [^`]*keys generate)`/.exec(section)?.[1] ?? 'false';
    const { code, stdout } = await run(command);
    expect(code).toBe(0);
    home.setSecret('shop-identity', { identity: stdout });
    const recipient = /age1[0-9a-z]+/.exec(stdout)?.[0];
    changeExample('policy.yaml', [
      ...address(),
      [['spec', 'stores', '0', 'filesystem', 'path'], join(place, 'shop')],
      [['spec', 'encryption', 'age', 'recipients'], [recipient]],
    ]);
    changeExample('run.yaml', []);
    changeExample('restore.yaml', [...address(), [['spec', 'target', 'database'], 'shop_back']]);
  });

  it('backs up by its commands, as they stand there', async () => {
    expect(standaloneLine).toMatch(/backstay -- standalone --home/);
    service = begin(standaloneLine);
    service.stdout?.resume();
    service.stderr?.resume();
    expect(lines).toHaveLength(2);
    const [apply = '', get = ''] = lines;
    expect(await run(apply)).toEqual({ code: 0, stdout: 'BackupPolicy shop created\n', stderr: '' });
    await eventually(async () => {
      const { code, stdout } = await run(get);
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/shop-nightly-\d{12} .*Succeeded/) });
    }, 40_000);
    expect(manifestsIn(join(place, 'shop'))).toHaveLength(1);
  });

  it('and the other examples do what they say: a backup by hand, and the newest one back', async () => {
    const apply = (lines[0] ?? '').replace('policy.yaml', 'FILE --wait');
    const byHand = await run(apply.replace('FILE', 'run.yaml'));
    expect(byHand).toMatchObject({ code: 0, stdout: expect.stringContaining('BackupRun shop-by-hand: Succeeded') });
    await server.query('CREATE DATABASE shop_back TEMPLATE template0');
    const back = await run(apply.replace('FILE', 'restore.yaml'));
    expect(back).toMatchObject({ code: 0, stdout: expect.stringContaining('RestoreRequest shop-back: Succeeded') });
    const restored = await home.get<{ source: { run: string } }>('RestoreRequest', 'shop-back');
    expect(restored?.status?.source.run).toBe('shop-by-hand');
    const before = await drawPortrait(server.connection('shop'));
    expect(comparePortraits(before, await drawPortrait(server.connection('shop_back')))).toEqual([]);
  });
});
