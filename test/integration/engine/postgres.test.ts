import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { DumpDetails, Server, ServerAccess } from '../../../src/engine/engine.ts';
import { postgres as engine } from '../../../src/engine/postgres/postgres.ts';
import { faultOf } from '../../harness/fault-of.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';
import { debianPostgres } from '../../harness/postgres-programs.ts';
import { backupRole, makeShop } from '../../harness/shop.ts';
import { collect, ToolContainer } from '../../harness/tool-container.ts';

const never = new AbortController().signal;
let postgres: Postgres;
/** Debian's older major, with TLS. */
let older: Postgres;

beforeAll(async () => {
  [postgres, older] = await Promise.all([startPostgres(), startPostgres({ tls: true })]);
  for (const server of [postgres, older]) await makeShop(server);
});

afterAll(async () => {
  await Promise.all([postgres?.stop(), older?.stop()]);
});

const containers: ToolContainer[] = [];
afterEach(async () => {
  for (const made of containers.splice(0)) await made.remove();
});

function access(server: Postgres, change: Partial<ServerAccess> = {}): ServerAccess {
  return {
    host: 'localhost',
    port: server.port,
    username: server.username,
    password: server.password,
    tls: { mode: 'Disable' },
    applicationName: 'backstay test',
    ...change,
  };
}

async function dumpWith(
  as: ServerAccess,
  toolsDir: string,
  database = 'shop',
): Promise<{ bytes: Buffer; details: DumpDetails; server: Server }> {
  const tool = new ToolContainer({ toolsDir }).start();
  containers.push(tool);
  const { steps } = await tool.open();
  const server = await engine.connect(as, never);
  const dump = await server.dump({ database }, steps, never);
  try {
    const bytes = await collect(dump.bytes);
    return { bytes, details: (await dump.result).details, server };
  } finally {
    await dump.close();
  }
}

describe('the role that docs/postgres.md describes', () => {
  it('has grants that its documentation shows', () => {
    const docs = readFileSync(new URL('../../../docs/postgres.md', import.meta.url), 'utf8');
    expect(docs).toContain('GRANT pg_read_all_data TO backstay_backup;');
  });

  it('can back up everything of the shop', async () => {
    const { bytes, details } = await dumpWith(access(postgres, backupRole), postgres.bin);
    expect(bytes.toString('latin1', 0, 5)).toBe('PGDMP');
    expect(details).toMatchObject({
      tables: [
        { schema: 'public', table: 'Customers', rows: 500 },
        { schema: 'public', table: 'Orders', rows: 20_000 },
      ],
      foreignKeyCount: 1,
      encoding: 'UTF8',
      roles: ['postgres'],
    });
  });

  it('fails with PrivilegeMissing and the name of the table when a grant is gone', async () => {
    await postgres.query('REVOKE pg_read_all_data FROM backstay_backup');
    const fault = await faultOf(dumpWith(access(postgres, backupRole), postgres.bin));
    await postgres.query('GRANT pg_read_all_data TO backstay_backup');
    expect(fault.reason).toBe('PrivilegeMissing');
    expect(fault.message).toMatch(/Customers|Orders/);
  });

  it('fails rather than leave out rows that a policy hides', async () => {
    await postgres.query('ALTER TABLE "Orders" ENABLE ROW LEVEL SECURITY', { database: 'shop' });
    const fault = await faultOf(dumpWith(access(postgres, backupRole), postgres.bin));
    await postgres.query('ALTER TABLE "Orders" DISABLE ROW LEVEL SECURITY', { database: 'shop' });
    expect(fault.reason).toBe('PrivilegeMissing');
  });
});

describe('TLS', () => {
  const tls = (mode: ServerAccess['tls']['mode'], caPem?: string): ServerAccess['tls'] =>
    caPem === undefined ? { mode } : { mode, caPem };

  it('dumps with the server verified in full, by SQL and by the tool', async () => {
    const as = access(older, { tls: tls('VerifyFull', older.caPem) });
    expect((await dumpWith(as, older.bin)).details.tables.length).toBe(2);
  });

  it.each(['Require', 'VerifyCA', 'VerifyFull'] as const)(
    'is TlsFailed in mode %s when the server has none',
    async (mode) => {
      const fault = await faultOf(engine.connect(access(postgres, { tls: tls(mode, older.caPem) }), never));
      expect(fault.reason).toBe('TlsFailed');
    },
  );

  it('refuses a name that the certificate does not have only in VerifyFull', async () => {
    const byAddress = { host: '127.0.0.1' };
    const full = await faultOf(
      engine.connect(access(older, { ...byAddress, tls: tls('VerifyFull', older.caPem) }), never),
    );
    expect(full.reason).toBe('TlsFailed');
    const ca = await engine.connect(access(older, { ...byAddress, tls: tls('VerifyCA', older.caPem) }), never);
    await ca.close();
  });

  it('refuses an authority that did not sign the certificate', async () => {
    const other = await startPostgres({ tls: true });
    const wrong = other.caPem;
    await other.stop();
    const fault = await faultOf(engine.connect(access(older, { tls: tls('VerifyCA', wrong) }), never));
    expect(fault.reason).toBe('TlsFailed');
  });

  it('asks for the authority that a verifying mode needs', async () => {
    expect((await faultOf(engine.connect(access(older, { tls: tls('VerifyFull') }), never))).reason).toBe('TlsFailed');
  });
});

describe('versions', () => {
  it('refuses a tool that is older than the server before it begins', async () => {
    const fault = await faultOf(dumpWith(access(postgres), debianPostgres().bin));
    expect(fault.reason).toBe('VersionUnsupported');
  });

  it('refuses a target that is older than the source', async () => {
    const { details } = await dumpWith(access(postgres), postgres.bin);
    await older.query('CREATE DATABASE back TEMPLATE template0');
    const target = await engine.connect(access(older), never);
    const fault = await faultOf(target.checkTarget({ database: 'back', details }, never));
    expect(fault.reason).toBe('VersionUnsupported');
  });
});

describe('the locale of a database', () => {
  const made: [string, () => Postgres, string][] = [
    ['another type of characters', () => postgres, `LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'`],
    ['another order', () => older, `LC_COLLATE 'C.UTF-8' LC_CTYPE 'C'`],
    ['the rules of the server itself', () => postgres, `LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'`],
    ['the rules of ICU', () => older, `LOCALE_PROVIDER icu ICU_LOCALE 'sv_SE@collation=phonebook'`],
  ];

  it.each(made)('is asked of the target by the statement that makes it: %s', async (_what, on, options) => {
    const at = on();
    for (const database of ['local', 'like_local', 'unlike_local']) {
      await at.query(`DROP DATABASE IF EXISTS ${database}`);
    }
    await at.query(`CREATE DATABASE local TEMPLATE template0 ${options}`);
    await at.query('CREATE DATABASE unlike_local TEMPLATE template0');
    const { details, server } = await dumpWith(access(at), at.bin, 'local');
    const unfit = await faultOf(server.checkTarget({ database: 'unlike_local', details }, never));
    expect(unfit.reason).toBe('TargetUnfit');
    const missing = await faultOf(server.checkTarget({ database: 'like_local', details }, never));
    expect(missing.reason).toBe('DatabaseMissing');
    const [statement = ''] = /CREATE DATABASE .*;$/.exec(missing.hint) ?? [];
    expect(unfit.hint).toContain(statement.replace('like_local', 'unlike_local'));
    await at.query(statement);
    await server.checkTarget({ database: 'like_local', details }, never);
  });

  it('of an older server is that of a newer one which has it', async () => {
    const { details } = await dumpWith(access(older), older.bin);
    const newer = await engine.connect(access(postgres), never);
    const { hint } = await faultOf(newer.checkTarget({ database: 'newer', details }, never));
    await postgres.query(/CREATE DATABASE .*;$/.exec(hint)?.[0] ?? '');
    await newer.checkTarget({ database: 'newer', details }, never);
  });
});

describe('the check of what was restored', () => {
  const spoilt: [string, string, RegExp][] = [
    ['a row is gone', 'DELETE FROM "Orders" WHERE id = 1', /"Orders" has 19999 rows, the backup had 20000/],
    ['a table is gone', 'DROP TABLE "Orders" CASCADE', /table "public"\."Orders" is missing/],
    [
      'a foreign key is gone',
      'ALTER TABLE "Orders" DROP CONSTRAINT "Orders_customer_id_fkey"',
      /0 foreign keys, the backup had 1/,
    ],
    [
      'a row points at nothing',
      `SET session_replication_role = replica; UPDATE "Orders" SET customer_id = 99999 WHERE id = 1`,
      /1 rows of .*"Orders" point at nothing/,
    ],
    [
      'a unique key occurs twice',
      `UPDATE pg_index SET indisunique = false WHERE indexrelid = '"Customers_email_key"'::regclass;
       UPDATE "Customers" SET email = 'customer1@example.com' WHERE id = 2;
       UPDATE pg_index SET indisunique = true WHERE indexrelid = '"Customers_email_key"'::regclass`,
      /1 keys occur twice in public\."Customers"/,
    ],
  ];

  it.each(spoilt)('says when %s', async (_what, sql, expected) => {
    const { details, server } = await dumpWith(access(postgres), postgres.bin);
    await postgres.query('DROP DATABASE IF EXISTS spoilt');
    await postgres.query('CREATE DATABASE spoilt TEMPLATE shop');
    expect(await server.check({ database: 'spoilt', details }, never)).toMatchObject({ rowCount: 20_500 });
    await postgres.query(sql, { database: 'spoilt' });
    const fault = await faultOf(server.check({ database: 'spoilt', details }, never));
    expect(fault.reason).toBe('CheckFailed');
    expect(fault.message).toMatch(expected);
  });

  it('counts as joined only the foreign keys that were, and misses none of the others', async () => {
    const { details, server } = await dumpWith(access(postgres), postgres.bin);
    await postgres.query('DROP DATABASE IF EXISTS spoilt');
    await postgres.query('CREATE DATABASE spoilt TEMPLATE shop');
    // One that the source never validated, one that it does not enforce: their orphans are in the original too.
    await postgres.query(
      `ALTER TABLE "Orders" ADD CONSTRAINT unproven FOREIGN KEY (id) REFERENCES "Customers" NOT VALID,
         ADD CONSTRAINT unenforced FOREIGN KEY (id) REFERENCES "Customers" NOT ENFORCED`,
      { database: 'spoilt' },
    );
    const three = { ...details, foreignKeyCount: 3 };
    expect(await server.check({ database: 'spoilt', details: three }, never)).toMatchObject({ foreignKeyCount: 1 });
    await postgres.query('ALTER TABLE "Orders" DROP CONSTRAINT unproven', { database: 'spoilt' });
    const fault = await faultOf(server.check({ database: 'spoilt', details: three }, never));
    expect(fault.message).toContain('2 foreign keys, the backup had 3');
  });

  it('names roles that the target lacks, and how to create them', async () => {
    const { details, server } = await dumpWith(access(postgres), postgres.bin);
    await postgres.query('CREATE DATABASE roleless TEMPLATE template0');
    const fault = await faultOf(
      server.checkTarget({ database: 'roleless', details: { ...details, roles: ['no "such" role'] } }, never),
    );
    expect(fault).toMatchObject({ reason: 'RoleMissing', hint: 'On the target: CREATE ROLE "no ""such"" role";' });
  });
});
