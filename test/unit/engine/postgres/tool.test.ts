import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ServerFacts } from '../../../../src/engine/engine.ts';
import { restoreDump } from '../../../../src/engine/postgres/restore.ts';
import {
  checkToolVersion,
  majorOf,
  ownWordsOf,
  toolConnection,
  toolVersion,
} from '../../../../src/engine/postgres/tool.ts';
import { faultOf } from '../../../harness/fault-of.ts';
import { access, FakeSteps, none } from './fake-steps.ts';

const { signal } = new AbortController();
const server = (version: string): ServerFacts => ({ engine: 'PostgreSQL', version, systemIdentifier: '1' });

describe('the version of a tool', () => {
  it.each([
    ['pg_dump (PostgreSQL) 18.6', '18.6'],
    ['pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n', '15.14'],
    ['pg_dump (PostgreSQL) 19beta1', '19beta1'],
  ])('is read out of %j', async (stdout, version) => {
    expect(await toolVersion('pg_dump', new FakeSteps({ stdout }), signal)).toBe(version);
  });

  it('of something else with that name is ToolMissing', async () => {
    const other = toolVersion('pg_dump', new FakeSteps({ stdout: 'pg_dump 1.0 of another house' }), signal);
    expect(await faultOf(other)).toMatchObject({ reason: 'ToolMissing' });
  });

  it('must not be older than the server, by its major alone', () => {
    const majors = fc.integer({ min: 10, max: 30 });
    const minors = fc.integer({ min: 0, max: 30 });
    fc.assert(
      fc.property(majors, minors, majors, minors, (tool, toolMinor, ours, ourMinor) => {
        const check = (): void => checkToolVersion('pg_dump', `${tool}.${toolMinor}`, server(`${ours}.${ourMinor}`));
        if (tool >= ours) expect(check).not.toThrow();
        else
          expect(check).toThrow(
            expect.objectContaining({
              reason: 'VersionUnsupported',
              hint: expect.stringContaining(`${ours}`),
            }),
          );
      }),
    );
  });

  it('counts a beta as its major', () => {
    expect([majorOf('19beta1'), majorOf('18.6'), majorOf('15')]).toEqual([19, 18, 15]);
  });
});

describe('the way of a tool to the server', () => {
  it('names the files of password and authority, and never the password itself', async () => {
    const steps = new FakeSteps();
    const tls = { mode: 'VerifyFull', caPem: 'PEM' } as const;
    const target = await toolConnection({ ...access, tls }, "o'shop", steps, signal);
    expect(steps.secrets).toEqual({ pgpass: '*:*:*:*:se\\:cret\n', 'server-ca.pem': 'PEM' });
    expect(target).toContain(`dbname='o\\'shop'`);
    expect(target).toContain(`passfile='/private/pgpass'`);
    expect(target).toContain(`sslmode='verify-full' sslrootcert='/private/server-ca.pem'`);
    expect(target).not.toContain('cret');
  });

  it.each([
    ['Disable', 'disable'],
    ['Require', 'require'],
    ['VerifyCA', 'verify-ca'],
  ] as const)('takes TLS as %s says', async (mode, sslmode) => {
    expect(await toolConnection({ ...access, tls: { mode } }, 'shop', new FakeSteps(), signal)).toContain(
      `sslmode='${sslmode}'`,
    );
  });
});

describe('the words of a failed tool', () => {
  const body = Array.from({ length: 40 }, (_, at) => `  RAISE NOTICE 'permission denied ${at}';`).join('\n');

  it('are the cause, however long the command was that failed', () => {
    const cause = 'pg_restore: error: could not execute query: ERROR:  role "shop_owner" does not exist';
    const stderr = `pg_restore: from TOC entry 215; 1259 16385 TABLE Orders shop_owner\n${cause}\nCommand was: CREATE FUNCTION f() AS $$\n${body}\n$$;\n`;
    expect(ownWordsOf(stderr)).toMatch(
      /^pg_restore: from TOC entry 215.*\npg_restore: error: .*"shop_owner" does not exist$/,
    );
  });

  it('hold no row and no value of the database, and go on behind them', () => {
    const stderr =
      'pg_restore: error: COPY failed for table "Customers": ERROR:  duplicate key value violates unique constraint "k"\n' +
      'DETAIL:  Key (email)=(ada@example.com) already exists.\n' +
      'CONTEXT:  COPY Customers, line 7: "7\tAda\nLovelace"\n' +
      'HINT:  Look again.\npg_restore: warning: errors ignored on restore: 1';
    expect(ownWordsOf(stderr).split('\n')).toEqual([
      expect.stringMatching(/^pg_restore: error: COPY failed/),
      'HINT:  Look again.',
      'pg_restore: warning: errors ignored on restore: 1',
    ]);
  });

  it('are all of them where nothing is quoted', () => {
    const stderr =
      'pg_dump: error: connection failed: No such file or directory\n\tIs the server running on that host?';
    expect(ownWordsOf(stderr)).toBe(stderr);
  });
});

describe('pg_restore', () => {
  const restore = (steps: FakeSteps) => restoreDump(access, server('18.1'), '--clean', none(), steps, signal);

  it('works in one transaction that the first error ends, and takes no database for an option', async () => {
    const steps = new FakeSteps({ stdout: 'pg_restore (PostgreSQL) 18.6' });
    expect(await restore(steps)).toEqual({ toolVersion: '18.6' });
    const [program, ...args] = steps.calls.at(-1) ?? [];
    expect(program).toBe('pg_restore');
    expect(args).toEqual(expect.arrayContaining(['--single-transaction', '--exit-on-error', '--no-password']));
    expect(args.filter((arg) => arg.includes('--clean'))).toEqual([
      expect.stringMatching(/^--dbname=.*dbname='--clean'/),
    ]);
  });

  it('is not believed when it ends well and speaks of an error', async () => {
    const stderr = 'pg_restore: warning: one thing\npg_restore: error: another thing\n';
    const steps = new FakeSteps({ stdout: 'pg_restore (PostgreSQL) 18.6', stderr });
    expect(await faultOf(restore(steps))).toMatchObject({
      reason: 'ToolFailed',
      message: expect.stringContaining('another thing'),
    });
  });

  it('that is older than the server is not even started', async () => {
    const steps = new FakeSteps({ stdout: 'pg_restore (PostgreSQL) 17.9' });
    expect(await faultOf(restore(steps))).toMatchObject({ reason: 'VersionUnsupported' });
    expect(steps.calls).toEqual([['pg_restore', '--version']]);
  });
});
