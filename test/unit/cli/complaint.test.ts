import { describe, expect, it } from '@jest/globals';
import { Fault } from '../../../src/base/fault.ts';
import { CommandError, complaintOf } from '../../../src/cli/complaint.ts';
import { exitCodeMeanings, exitCodes } from '../../../src/cli/exit-codes.ts';
import { ApiError } from '../../../src/cluster/kubernetes/api-error.ts';
import { ObjectsError } from '../../../src/cluster/objects.ts';

const forbidden =
  'backupruns.backstay.dev is forbidden: User "ann" cannot create resource "backupruns" in API group "backstay.dev" in the namespace "shop"';

describe('whatever goes wrong', () => {
  it.each<[string, unknown, number, string, RegExp]>([
    ['a wrong command line', new CommandError('Usage', 'm', 'Do it.'), 2, 'Usage', /^Do it\.$/],
    ['what is refused before it begins', new CommandError('Refused', 'm', 'Do it.'), 6, 'Refused', /^Do it\.$/],
    ['a fault', new Fault('StoreFull', 'm'), 1, 'StoreFull', /add space/],
    [
      'a missing right',
      new ApiError('Forbidden', 403, forbidden),
      4,
      'NotAllowed',
      /can-i create backupruns\.backstay\.dev -n shop/,
    ],
    [
      'a right on a group of its own',
      new ApiError(
        'Forbidden',
        403,
        'pods is forbidden: User "a" cannot list resource "pods" in API group "" at the cluster scope',
      ),
      4,
      'NotAllowed',
      /can-i list pods -A/,
    ],
    ['a login that is over', new ApiError('Forbidden', 401, 'Unauthorized'), 4, 'NotAllowed', /Log in again/],
    [
      'a file of the home that is somebody else\u2019s',
      new ObjectsError('Forbidden', 'EACCES'),
      4,
      'NotAllowed',
      /Ask whoever/,
    ],
    ['a server that is away', new ApiError('Unavailable', 0, 'no answer'), 1, 'Unavailable', /cluster-info/],
    [
      'kinds that are not served',
      new ApiError('Unavailable', 404, 'the API server does not serve this kind'),
      1,
      'KindsMissing',
      /kubectl apply/,
    ],
    ['a full disk', new ObjectsError('Unavailable', 'ENOSPC'), 1, 'Unavailable', /disk/],
    [
      'somebody else\u2019s field',
      new ApiError('Conflict', 409, 'conflict with "gitops"'),
      1,
      'Conflict',
      /--force-conflicts/,
    ],
    [
      'an object that the schema refuses',
      new ApiError('Invalid', 422, 'spec.x: no'),
      1,
      'SpecInvalid',
      /Correct the field/,
    ],
    [
      'a refusal of the home',
      new ObjectsError('Invalid', 'no', { cause: new Fault('NotSupportedHere', 'no', { hint: 'So.' }) }),
      1,
      'NotSupportedHere',
      /^So\.$/,
    ],
    ['a defect', new TypeError('undefined is not a function'), 1, 'Internal', /report it/],
  ])('%s has its exit code, one word, and what to do', (_, thrown, exitCode, reason, hint) => {
    expect(complaintOf(thrown)).toMatchObject({ exitCode, reason, hint: expect.stringMatching(hint) });
  });

  it('every exit code has one meaning, and none is given twice', () => {
    const codes = Object.values(exitCodes);
    expect(new Set(codes).size).toBe(codes.length);
    expect(Object.keys(exitCodeMeanings).map(Number)).toEqual(codes.toSorted((a, b) => a - b));
    expect(exitCodes).toEqual({
      done: 0,
      failed: 1,
      usage: 2,
      notAllowed: 4,
      refused: 6,
      timedOut: 7,
      interrupted: 130,
    });
  });
});
