// `npm run demo`: a real PostgreSQL, a shop, the YAML of examples/standalone, the backup that the schedule makes, then
// DROP DATABASE, a restore, and a comparison of everything. Not a mock anywhere; what it says is what it saw.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseDocument } from 'yaml';
import { drawPortrait } from '../test/harness/portrait.ts';
import { startPostgres } from '../test/harness/postgres.ts';
import { newestPostgres } from '../test/harness/postgres-programs.ts';
import { backupRole, makeShop } from '../test/harness/shop.ts';
import { Standalone } from '../test/harness/standalone.ts';
import { Story } from './story.ts';

const { values } = parseArgs({ options: { report: { type: 'string' } } });
const root = new URL('..', import.meta.url).pathname;
const story = new Story('standalone');
const cleanUp: (() => Promise<void> | void)[] = [];
let failure: unknown;
try {
  await tell();
} catch (thrown) {
  failure = thrown;
} finally {
  for (const step of cleanUp.reverse()) await step();
}
process.exitCode = story.end(values.report, failure);

async function tell(): Promise<void> {
  const server = await story.chapter('server', 'Start a PostgreSQL server and fill a shop', async () => {
    newestPostgres();
    const started = await startPostgres();
    cleanUp.push(() => started.stop());
    await makeShop(started);
    story.say(
      `  PostgreSQL on port ${started.port}: customers, orders with a foreign key, a routine, a trigger, a view`,
    );
    return started;
  });
  const shop = server.connection('shop');
  const before = await story.chapter('portrait', 'Draw a portrait of the shop: every row, every definition', () =>
    drawPortrait(shop),
  );
  story.report.versions['server'] = before.version;

  const backups = mkdtempSync(join(tmpdir(), 'backstay-store-'));
  cleanUp.push(() => rmSync(backups, { recursive: true, force: true }));
  const standalone = new Standalone(server.bin);
  cleanUp.push(() => standalone.stop());
  await story.chapter(
    'start',
    'Start Backstay on this machine, with an encryption key and the secrets as files',
    async () => {
      const { stdout: identity } = await standalone.command(['keys', 'generate']);
      standalone.setSecret('shop-identity', { identity });
      standalone.setSecret('shop-backup', backupRole);
      standalone.setSecret('shop-admin', { username: server.username, password: server.password });
      await standalone.start();
    },
  );

  const run = await story.chapter(
    'backup',
    'Apply examples/standalone/policy.yaml; its schedule makes the first backup',
    async () => {
      story.say(`  ${(await standalone.apply(example('policy.yaml'))).trim()}`);
      const name = await firstRun(standalone);
      story.say(`  the schedule made the run ${name}`);
      story.tellBackup(await standalone.waitForEnd('BackupRun', name), 'in a directory');
      return name;
    },
  );

  await story.chapter('disaster', 'DROP DATABASE shop', async () => {
    await server.query('DROP DATABASE shop');
    await server.query('CREATE DATABASE shop');
    story.say('  gone; an empty database of that name is all there is');
  });

  await story.chapter('restore', 'Apply examples/standalone/restore.yaml', async () => {
    await standalone.apply(example('restore.yaml'));
    story.tellRestore(await standalone.waitForEnd('RestoreRequest', 'shop-back'), run);
  });

  await story.chapter('compare', 'Compare with the portrait', async () =>
    story.judge(before, await drawPortrait(shop)),
  );

  /** The example as it is, with the port, the directory and the public key of this demo put in. */
  function example(file: string): string {
    const document = parseDocument(readFileSync(join(root, 'examples/standalone', file), 'utf8'));
    document.setIn(['spec', 'target', 'host'], server.host);
    document.setIn(['spec', 'target', 'port'], server.port);
    if (document.hasIn(['spec', 'stores'])) {
      const directory = join(backups, 'shop');
      mkdirSync(directory, { recursive: true });
      const key = readFileSync(join(standalone.home, 'secrets/default/shop-identity/identity'), 'utf8');
      document.setIn(['spec', 'stores', 0, 'filesystem', 'path'], directory);
      document.setIn(['spec', 'encryption', 'age', 'recipients'], [/age1[0-9a-z]+/.exec(key)?.[0]]);
    }
    return document.toString();
  }
}

async function firstRun(standalone: Standalone): Promise<string> {
  const untilMs = Date.now() + 90_000;
  while (Date.now() < untilMs) {
    const [first] = await standalone.list('BackupRun');
    if (first !== undefined) return first.metadata.name;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the schedule made no run');
}
