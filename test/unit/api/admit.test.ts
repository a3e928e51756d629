import { expect, it } from '@jest/globals';
import { admit } from '../../../src/api/admit.ts';

const run = { policyName: 'shop', method: 'Dump', dump: { databases: ['shop'] } };

it('fills in the defaults, as an API server would', () => {
  expect(admit('BackupRun', run)).toEqual({ ...run, takeover: false });
});

it('a run that is applied again unchanged is accepted; a changed one is refused, because it is a record', () => {
  const stored = admit('BackupRun', run);
  expect(admit('BackupRun', run, stored)).toEqual(stored);
  expect(() => admit('BackupRun', { ...run, takeover: true }, stored)).toThrow(
    expect.objectContaining({ reason: 'SpecInvalid', message: 'a run cannot be changed' }),
  );
});

it('what has no meaning on one machine is refused by name', () => {
  const policy = {
    engine: 'PostgreSQL',
    target: { service: 'shop', credentials: { backup: { secretName: 's' } } },
    stores: [{ name: 'near', filesystem: { path: '/b' } }],
  };
  expect(() => admit('BackupPolicy', policy)).toThrow(
    expect.objectContaining({ reason: 'NotSupportedHere', where: 'spec.target.service' }),
  );
});
