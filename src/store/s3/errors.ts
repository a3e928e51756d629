import { Fault } from '../../base/fault.ts';
import type { Reason } from '../../base/reasons.ts';

interface SdkError extends Error {
  code?: string;
  $metadata?: { httpStatusCode?: number };
}

const certificateCodes =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT|UNABLE_TO_|CERT_|ERR_TLS_CERT|ERR_SSL|EPROTO|HOSTNAME_MISMATCH)/;
// Answers that say "again, please" under a status that alone would be final.
const transientNames = new Set([
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'ConditionalRequestConflict',
  'OperationAborted',
  'BadDigest',
]);
const fullNames = new Set(['QuotaExceeded', 'InsufficientStorage', 'XMinioStorageFull', 'EntityTooLargeForQuota']);
const deniedNames = new Set(['ExpiredToken', 'InvalidToken', 'AuthorizationHeaderMalformed', 'PermanentRedirect']);

/** No answer: the connection could not be made, or broke, or was refused by TLS. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  readonly code: string | undefined;

  constructor(thrown: unknown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    super(message || code || String(thrown), { cause: thrown });
    this.code = code;
  }
}

/** No answer within the time that a request of ours may take. */
export class RequestDeadline extends ConnectionError {}

export function statusOf(thrown: unknown): number | undefined {
  return (thrown as SdkError).$metadata?.httpStatusCode;
}

export function nameOf(thrown: unknown): string {
  return (thrown as Error).name;
}

/** Whether the same request may succeed in a moment: the server is busy or broke, or the network did. */
export function mayHeal(thrown: unknown): boolean {
  if (thrown instanceof Fault || isCertificateError(thrown) || fullNames.has(nameOf(thrown))) return false;
  const status = statusOf(thrown);
  if (thrown instanceof ConnectionError || transientNames.has(nameOf(thrown))) return true;
  // 501 is an answer about the store, 507 about its disk: neither heals.
  return status === 429 || (status !== undefined && status >= 500 && status !== 501 && status !== 507);
}

/** The fault in what a request threw. `where` is the bucket and key. Nothing of the request itself is quoted: it is signed. */
export function s3Fault(where: string, thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown;
  const { name, message } = thrown as SdkError;
  const status = statusOf(thrown);
  const said = status === undefined ? `${message || name}` : `the store answered ${status} ${name}: ${message}`;
  if (isCertificateError(thrown)) {
    return new Fault('TlsFailed', `the certificate of the store is not accepted: ${message}`, {
      where,
      hint: 'Give the certificate authority that signed the certificate of the store, or correct the endpoint.',
      cause: thrown,
    });
  }
  return new Fault(reasonOf(thrown, status), said, { where, cause: thrown });
}

function reasonOf(thrown: unknown, status: number | undefined): Reason {
  const name = nameOf(thrown);
  if (name === 'NoSuchBucket') return 'StoreMissing';
  if (status === 507 || fullNames.has(name)) return 'StoreFull';
  if (status === 401 || status === 403 || deniedNames.has(name)) return 'StoreDenied';
  if (name === 'NoSuchKey' || name === 'NotFound') return 'BackupMissing';
  return thrown instanceof ConnectionError ? 'StoreUnreachable' : 'StoreFailed';
}

function isCertificateError(thrown: unknown): boolean {
  return certificateCodes.test((thrown as SdkError).code ?? '');
}
