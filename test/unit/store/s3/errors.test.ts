import { describe, expect, it } from '@jest/globals';
import { ConnectionError, mayHeal, RequestDeadline, s3Fault } from '../../../../src/store/s3/errors.ts';

const answered = (status: number, name: string): Error =>
  Object.assign(new Error('said so'), { name, $metadata: { httpStatusCode: status } });
const broken = (code: string): Error => new ConnectionError(Object.assign(new Error(code), { code }));

describe('what a failed request means', () => {
  it.each([
    [answered(403, 'AccessDenied'), 'StoreDenied', false],
    [answered(403, 'SignatureDoesNotMatch'), 'StoreDenied', false],
    [answered(401, 'Unauthorized'), 'StoreDenied', false],
    [answered(400, 'ExpiredToken'), 'StoreDenied', false],
    [answered(301, 'PermanentRedirect'), 'StoreDenied', false],
    [answered(404, 'NoSuchBucket'), 'StoreMissing', false],
    [answered(404, 'NoSuchKey'), 'BackupMissing', false],
    [answered(404, 'NoSuchUpload'), 'StoreFailed', false],
    [answered(507, 'InsufficientStorage'), 'StoreFull', false],
    [answered(403, 'QuotaExceeded'), 'StoreFull', false],
    [answered(500, 'InternalError'), 'StoreFailed', true],
    [answered(503, 'SlowDown'), 'StoreFailed', true],
    [answered(429, 'TooManyRequests'), 'StoreFailed', true],
    [answered(409, 'ConditionalRequestConflict'), 'StoreFailed', true],
    [answered(501, 'NotImplemented'), 'StoreFailed', false],
    [answered(400, 'InvalidArgument'), 'StoreFailed', false],
    [broken('ECONNREFUSED'), 'StoreUnreachable', true],
    [broken('ENOTFOUND'), 'StoreUnreachable', true],
    [broken('ECONNRESET'), 'StoreUnreachable', true],
    [new RequestDeadline(new Error('slow')), 'StoreUnreachable', true],
    [broken('SELF_SIGNED_CERT_IN_CHAIN'), 'TlsFailed', false],
    [broken('ERR_TLS_CERT_ALTNAME_INVALID'), 'TlsFailed', false],
    [new Error('something else'), 'StoreFailed', false],
  ])('%s is %s', (thrown, reason, heals) => {
    expect(s3Fault('s3://bucket/key', thrown)).toMatchObject({ reason, where: 's3://bucket/key' });
    expect(mayHeal(thrown)).toBe(heals);
  });
});
