import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { reasons } from '../../../src/base/reasons.ts';
import { comparePortraits, drawPortrait } from '../../harness/portrait.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';
import { makeShop } from '../../harness/shop.ts';
import { Standalone } from '../../harness/standalone.ts';
import { policyYaml, runYaml, setShopSecrets } from '../../harness/standalone-shop.ts';

const root = new URL('../../..', import.meta.url).pathname;
const page = readFileSync(join(root, 'docs/recovery.md'), 'utf8');
const blocks = [...page.matchAll(/^ *```(sh|sql|yaml)\n(.*?)^ *```$/gms)].map(([, language = '', text = '']) => ({
  language,
  text: text.replace(/^ {3}/gm, ''),
}));
const blocksWith = (language: string, word: string): string[] =>
  blocks.filter((one) => one.language === language && one.text.includes(word)).map(({ text }) => text);
/** The commands of a machine without a cluster that say this. */
const commandWith = (word: string): string => {
  const [found, ...more] = blocksWith('sh', word).filter((text) => !text.includes('kubectl'));
  if (found === undefined || more.length > 0) throw new Error(`the page has not exactly one command with ${word}`);
  return found;
};

let postgres: Postgres;
let standalone: Standalone;
let dir: string;
let consistentAt: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'backstay-recovery-'));
  postgres = await startPostgres();
  standalone = new Standalone(postgres.bin);
  await makeShop(postgres);
  setShopSecrets(standalone, postgres);
  const backstay = `#!/bin/sh\nexec '${process.execPath}' --disable-warning=ExperimentalWarning '${root}src/main.ts' "$@"\n`;
  writeFileSync(join(dir, 'backstay'), backstay, { mode: 0o700 });
  mkdirSync(join(dir, 'store'));
  await standalone.start();
  await standalone.apply(policyYaml(postgres, join(dir, 'store')));
  await standalone.apply(runYaml('shop-first'));
  const { status } = await standalone.waitForEnd('BackupRun', 'shop-first');
  expect(status.phase).toBe('Succeeded');
  ({ consistentAt } = status.set as unknown as { consistentAt: string });
});

afterAll(async () => {
  await standalone.stop();
  await postgres.stop();
  rmSync(dir, { recursive: true, force: true });
});

describe('docs/recovery.md', () => {
  it('leads from every reason of a failure to a next step', () => {
    const told = [...page.matchAll(/^\|.*\||^`KindsMissing`/gm)].join('\n');
    expect(Object.keys(reasons).filter((reason) => !told.includes(`\`${reason}\``))).toEqual([]);
  });

  it('names no reason that does not exist', () => {
    const firstCells = [...page.matchAll(/^\| (`[^|]*`) \|/gm)].map(([, cell = '']) => cell);
    const named = firstCells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, word = '']) => word));
    expect(named.filter((word) => !Object.hasOwn(reasons, word))).toEqual([]);
  });

  it('brings the shop back by its own commands, with the application still connected, and keeps the damaged one', async () => {
    const before = await drawPortrait(postgres.connection('shop'));
    await postgres.query('DELETE FROM "Orders"', { database: 'shop' });

    expect(shell(commandWith('get runs\n'))).toMatchObject({ code: 0, stdout: expect.stringContaining('shop-first') });
    expect(shell(commandWith('get runs\n')).stdout).toContain(`"consistentAt": "${consistentAt}"`);

    const application = postgres.query('SELECT pg_sleep(600)', { database: 'shop' }).catch(() => 'cut');
    for (const text of [...blocksWith('sql', 'RENAME'), ...blocksWith('sql', 'CREATE DATABASE')]) {
      for (const line of text.trim().split('\n')) await postgres.query(line);
    }
    expect(await application).toBe('cut');

    const [request = ''] = blocksWith('yaml', 'RestoreRequest');
    writeFileSync(join(dir, 'shop-back.yaml'), request.replace('127.0.0.1', `127.0.0.1\n    port: ${postgres.port}`));
    expect(shell(commandWith('--wait'))).toMatchObject({ code: 0, stdout: expect.stringContaining('Succeeded') });
    expect(comparePortraits(before, await drawPortrait(postgres.connection('shop')))).toEqual([]);

    const aside = await postgres.query("SELECT count(*)::int FROM pg_database WHERE datname = 'shop_damaged'");
    expect(JSON.stringify(aside)).toContain('1');
  });

  it('shows the reason of a restore that failed, and lets it be tried again', () => {
    // The database of the test before is full again: that is what fails now.
    expect(shell(commandWith('delete request'))).toMatchObject({ code: 0 });
    const again = shell(commandWith('--wait'));
    expect(again).toMatchObject({ code: 1, stdout: expect.stringContaining('Failed, TargetNotEmpty') });
    expect(shell(commandWith('get requests shop-back')).stdout).toContain('"reason": "TargetNotEmpty"');
  });

  it('shows the reason of a backup that failed', async () => {
    await standalone.apply(policyYaml(postgres, join(dir, 'no-such-directory')));
    await standalone.apply(runYaml('shop-second'));
    await standalone.waitForEnd('BackupRun', 'shop-second');
    const shown = shell(commandWith('get runs NAME').replace('NAME', 'shop-second'));
    expect(shown.stdout).toContain('"reason": "StoreMissing"');
  });
});

function shell(text: string) {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', text.replace('/var/lib/backstay', standalone.home)], {
    cwd: dir,
    encoding: 'utf8',
    env: { PATH: `${dir}:${process.env['PATH']}`, BACKSTAY_HOME: standalone.home },
  });
  return { code: status, stdout, stderr };
}
