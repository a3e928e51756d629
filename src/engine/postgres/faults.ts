import { Fault, toFault } from '../../base/fault.ts';
import type { Reason } from '../../base/reasons.ts';
import type { ServerAccess } from '../engine.ts';

/** `shop-db:5432 as role "backup"`. */
export function describeAccess(access: ServerAccess): string {
  return `${access.host}:${access.port} as role "${access.username}"`;
}

/** What an error of `pg` means while a connection is being made. */
export function connectFault(thrown: unknown, access: ServerAccess): Fault {
  if (thrown instanceof Fault) return thrown;
  const { code, message } = thrown as { code?: string; message: string };
  const details = { where: `${access.host}:${access.port}`, cause: thrown };
  const at = describeAccess(access);
  if (code !== undefined && isSqlState(code)) {
    switch (code) {
      case '28P01':
        return new Fault('AuthenticationFailed', `${at}: the password was refused`, details);
      case '28000':
        return new Fault('AuthenticationFailed', `${at}: ${message}`, details);
      case '3D000':
        return new Fault('DatabaseMissing', `${at}: ${message}`, details);
      case '42501':
        return new Fault('PrivilegeMissing', `${at}: ${message}`, details);
      default:
        // Starting up, shutting down, too many connections: all of it may be over in a minute.
        return new Fault('ServerUnreachable', `${at}: ${message}`, details);
    }
  }
  if (isTlsError(code, message)) return new Fault('TlsFailed', `${at}: ${message}`, details);
  return new Fault('ServerUnreachable', `${at}: ${message || code || 'no answer'}`, details);
}

/** What an error of a query means on a connection that stood. */
export function queryFault(thrown: unknown, access: ServerAccess): Fault {
  if (thrown instanceof Fault) return thrown;
  const { code, message } = thrown as { code?: string; message: string };
  const details = { where: `${access.host}:${access.port}`, cause: thrown };
  const at = describeAccess(access);
  if (code === '42501') return new Fault('PrivilegeMissing', `${at}: ${message}`, details);
  if (code !== undefined && isSqlState(code) && !/^(57P0|08|53)/.test(code)) return toFault(thrown);
  return new Fault('ServerLost', `${at}: ${message}`, details);
}

// The tools of PostgreSQL are run with messages in English: LC_ALL=C.
const saidByTools: readonly [RegExp, Reason][] = [
  [/canceling statement due to (lock|statement) timeout/, 'TableLocked'],
  [/password authentication failed|no pg_hba\.conf entry|no password supplied/, 'AuthenticationFailed'],
  [/FATAL: +database ".*" does not exist/s, 'DatabaseMissing'],
  [/server version mismatch|unsupported version \(.*\) in file header/, 'VersionUnsupported'],
  [
    /certificate verify failed|does not match host name|SSL error|server does not support SSL|root certificate file/,
    'TlsFailed',
  ],
  [
    /server closed the connection unexpectedly|terminating connection|SSL SYSCALL error|could not (receive|send) data|connection to server was lost|no connection to the server/,
    'ServerLost',
  ],
  [
    /permission denied|must be (owner|superuser|member)|row-level security|must be able to SET ROLE/,
    'PrivilegeMissing',
  ],
  [
    /could not translate host name|Connection refused|timeout expired|No route to host|is starting up|too many clients/,
    'ServerUnreachable',
  ],
];

/** Gives the failure of pg_dump or pg_restore the reason that its last words name; anything else stays as it is. */
export function toolFault(thrown: unknown, access: ServerAccess): unknown {
  if (!(thrown instanceof Fault) || thrown.reason !== 'ToolFailed') return thrown;
  const reason = saidByTools.find(([words]) => words.test(thrown.message))?.[1];
  if (reason === undefined) return thrown;
  return new Fault(reason, thrown.message, { where: `${access.host}:${access.port}`, cause: thrown });
}

function isSqlState(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code) && /[0-9]/.test(code);
}

function isTlsError(code: string | undefined, message: string): boolean {
  return (
    /^(ERR_TLS|ERR_SSL|ERR_OSSL|EPROTO|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH)/.test(code ?? '') ||
    /does not support SSL/.test(message)
  );
}
