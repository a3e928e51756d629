import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  backUp,
  backupTask,
  filesystemStore,
  restoreTask,
  runTask,
  secretsOf,
  storeDirectory,
} from '../../harness/agent-task.ts';
import { comparePortraits, drawPortrait, type Portrait } from '../../harness/portrait.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';

let postgres: Postgres;
let store: string;

beforeAll(async () => {
  postgres = await startPostgres();
  store = storeDirectory();
});

afterAll(async () => {
  await postgres?.stop();
  rmSync(store, { recursive: true, force: true });
});

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

const portraitOf = (database: string): Promise<Portrait> => drawPortrait(postgres.connection(database));

/** One of each thing that has a name, called `name`, in a schema called so too; and text in the rows that looks like names. */
async function fill(database: string, name: string): Promise<void> {
  const n = quoted(name);
  const other = quoted(`${name} 2`);
  await postgres.query(
    `CREATE SCHEMA ${n};
     SET search_path = ${n};
     CREATE SEQUENCE ${quoted(`${name} seq`)};
     CREATE TABLE ${n} (${n} int CONSTRAINT ${quoted(`${name} key`)} PRIMARY KEY, "a ""b"" c" text);
     CREATE TABLE ${other} (${n} int CONSTRAINT ${other} REFERENCES ${n}, at int DEFAULT 1);
     CREATE INDEX ${quoted(`${name} index`)} ON ${other} (${n});
     CREATE VIEW ${quoted(`${name} view`)} AS SELECT count(*) AS ${n} FROM ${n};
     CREATE FUNCTION ${n}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
     CREATE TRIGGER ${n} BEFORE INSERT ON ${other} FOR EACH ROW EXECUTE FUNCTION ${n}();
     INSERT INTO ${n} SELECT i, 'row ' || i || ' of ' || $name$${name}$name$ FROM generate_series(1, 100) i;
     INSERT INTO ${other} SELECT i FROM generate_series(1, 50) i`,
    { database },
  );
}

describe('a database in which everything is called', () => {
  it.each([
    [`o'clock "quoted"`],
    ['Größe = 東京 🐘'],
    ['back\\slash'],
    ["a' host='evil"],
    ['-Fc'],
    ['line\nbreak'],
    ['$(touch evil) `touch evil` $HOME; % { } *'],
  ])('%j comes back with every row, key and definition', async (name) => {
    const target = `${name} again`;
    await postgres.query(`CREATE DATABASE ${quoted(name)}`);
    await postgres.query(`CREATE DATABASE ${quoted(target)} TEMPLATE template0`);
    await fill(name, name);

    const common = { toolsDir: postgres.bin, secrets: secretsOf(postgres) };
    const set = await backUp({
      ...common,
      task: backupTask(postgres, filesystemStore(store), { dump: { database: name } }),
    });
    expect(set).toMatchObject({ tableCount: 2, rowCount: 150 });
    const { report } = await runTask({
      ...common,
      task: restoreTask(postgres, filesystemStore(store), set, { database: target }),
    });
    expect(report).toMatchObject({
      outcome: 'restored',
      restore: { tableCount: 2, rowCount: 150, foreignKeyCount: 1 },
    });

    const before = await portraitOf(name);
    expect(Object.values(before.rows).sort()).toEqual([100, 50]);
    expect(comparePortraits(before, await portraitOf(target))).toEqual([]);
  });
});
