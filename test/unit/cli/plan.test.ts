import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { nameMaxLength } from '../../../src/api/names.ts';
import { parseSpec } from '../../../src/api/parse.ts';
import { handName } from '../../../src/cli/hand-name.ts';
import { planBackup } from '../../../src/cli/plan-backup.ts';
import { restoreSpec } from '../../../src/cli/plan-restore.ts';
import type { Resource } from '../../../src/cluster/resource.ts';

const policy = (databases: string[], more: object = {}): Resource =>
  ({
    kind: 'BackupPolicy',
    metadata: { name: 'shop', namespace: 'default' },
    spec: {
      engine: 'PostgreSQL',
      target: { host: 'db', credentials: { backup: { secretName: 's' } } },
      stores: [{ name: 'near', filesystem: { path: '/backups' } }],
      schedules: databases.map((database, at) => ({
        name: `s${at}`,
        cron: '@daily',
        method: 'Dump',
        dump: { databases: [database] },
      })),
      ...more,
    },
  }) as unknown as Resource;

describe('a backup by hand', () => {
  it('takes the database that the schedules name, or the one that is asked for', () => {
    expect(planBackup(policy(['shop', 'shop']), undefined, 'standalone').dump.databases).toEqual(['shop']);
    expect(planBackup(policy(['shop']), 'other', 'standalone').dump.databases).toEqual(['other']);
    expect(planBackup(policy([]), 'other', 'standalone').dump.databases).toEqual(['other']);
  });

  it.each<[string, Resource, RegExp, RegExp]>([
    ['no database is named', policy([]), /no schedule/, /--database/],
    ['several are', policy(['a', 'b']), /several databases: a, b/, /--database/],
    ['the policy is suspended', policy(['shop'], { suspend: true }), /suspended/, /spec\.suspend/],
    ['the policy cannot be used', policy(['shop'], { engine: 'Oracle' }), /cannot be used: spec\.engine/, /docs\/spec/],
  ])('is refused when %s', (_, of, message, hint) => {
    expect(() => planBackup(of, undefined, 'standalone')).toThrow(
      expect.objectContaining({
        reason: 'Refused',
        message: expect.stringMatching(message),
        hint: expect.stringMatching(hint),
      }),
    );
  });
});

it('a restore by hand has the fields that were asked for, and the kind takes it', () => {
  const spec = restoreSpec({
    run: 'shop-1',
    database: 'x',
    service: 'db',
    port: 5433,
    tlsMode: 'VerifyCA',
    tlsCaSecret: 'ca',
    adminSecret: 'a',
    identitySecret: 'i',
    fromNamespace: 'vault',
    storeSecret: 'key',
    storeCaSecret: 'store-ca',
    image: 'postgres:18',
  });
  expect(parseSpec('RestoreRequest', spec)).toMatchObject(spec);
  expect(spec).toMatchObject({
    source: { namespace: 'vault', storeCredentials: { secretName: 'key', caSecretName: 'store-ca' } },
  });
  expect(restoreSpec({ policy: 'shop', database: 'x', host: 'h', adminSecret: 'a' })).toEqual({
    source: { policyName: 'shop' },
    target: { host: 'h', database: 'x', credentials: { admin: { secretName: 'a' } } },
  });
});

it('the name of what is asked for by hand is one that Kubernetes takes, however long the policy is called', () => {
  const rule = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
  const names = fc.stringMatching(rule);
  fc.assert(
    fc.property(names, fc.double({ min: 0, max: 0.999999, noNaN: true }), (of, random) => {
      const name = handName('BackupRun', of, Date.parse('2026-01-02T03:04:05Z'), () => random);
      expect(name.length).toBeLessThanOrEqual(nameMaxLength.BackupRun);
      expect(name).toMatch(/-202601020304-[a-z0-9]{4}$/);
      expect(name).toMatch(rule);
    }),
  );
});
