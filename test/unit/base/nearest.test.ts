import { expect, it } from '@jest/globals';
import { nearestName } from '../../../src/base/nearest.ts';

const fields = ['bucket', 'prefix', 'region', 'endpoint', 'forcePathStyle'];

it.each([
  ['buckt', 'bucket'],
  ['bukcet', 'bucket'],
  ['Prefix', 'prefix'],
  ['end_point', 'endpoint'],
  ['forcePathstyle', 'forcePathStyle'],
])('%s most likely means %s', (typed, meant) => expect(nearestName(typed, fields)).toBe(meant));

it.each(['', 'x', 'compression', 'kubernetes'])('%p is near to nothing, so no guess is made', (typed) =>
  expect(nearestName(typed, fields)).toBeUndefined(),
);
