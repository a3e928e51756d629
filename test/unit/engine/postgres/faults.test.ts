import { describe, expect, it } from '@jest/globals';
import { Fault } from '../../../../src/base/fault.ts';
import { connectFault, queryFault, toolFault } from '../../../../src/engine/postgres/faults.ts';
import { access } from './fake-steps.ts';

const thrown = (code: string | undefined, message: string): Error =>
  Object.assign(new Error(message), code === undefined ? {} : { code });

describe('a connection that cannot be made', () => {
  it.each([
    ['28P01', 'password authentication failed for user "backup"', 'AuthenticationFailed'],
    ['28000', 'no pg_hba.conf entry for host "10.0.0.7"', 'AuthenticationFailed'],
    ['3D000', 'database "shop" does not exist', 'DatabaseMissing'],
    ['42501', 'permission denied for database "shop"', 'PrivilegeMissing'],
    ['57P03', 'the database system is starting up', 'ServerUnreachable'],
    ['53300', 'sorry, too many clients already', 'ServerUnreachable'],
    ['ECONNREFUSED', 'connect ECONNREFUSED 10.0.0.7:5432', 'ServerUnreachable'],
    ['ENOTFOUND', 'getaddrinfo ENOTFOUND shop-db', 'ServerUnreachable'],
    [undefined, 'timeout expired', 'ServerUnreachable'],
    [undefined, 'The server does not support SSL connections', 'TlsFailed'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'self-signed certificate in certificate chain', 'TlsFailed'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', "Hostname/IP does not match certificate's altnames", 'TlsFailed'],
    ['CERT_HAS_EXPIRED', 'certificate has expired', 'TlsFailed'],
    // Five letters, and no state of SQL.
    ['EPIPE', 'write EPIPE', 'ServerUnreachable'],
  ])('with %s (%s) is %s, and says which server', (code, message, reason) => {
    const fault = connectFault(thrown(code, message), access);
    expect(fault).toMatchObject({ reason, where: 'shop-db:5432' });
    expect(fault.message).toContain('shop-db:5432 as role "backup"');
    expect(fault.message + fault.hint).not.toContain(access.password);
  });

  it('says more than nothing when the error has no words', () => {
    expect(connectFault(thrown('ECONNRESET', ''), access).message).toMatch(/: ECONNRESET$/);
    expect(connectFault(thrown(undefined, ''), access).message).toMatch(/: no answer$/);
  });

  it('keeps a fault that already says what is wrong', () => {
    const fault = new Fault('TlsFailed', 'no authority was given');
    expect([connectFault(fault, access), queryFault(fault, access)]).toEqual([fault, fault]);
  });
});

describe('a query that fails', () => {
  it.each([
    ['42501', 'permission denied for table orders', 'PrivilegeMissing'],
    ['57P01', 'terminating connection due to administrator command', 'ServerLost'],
    ['08006', 'connection failure', 'ServerLost'],
    ['53100', 'could not extend file: No space left on device', 'ServerLost'],
    [undefined, 'Connection terminated unexpectedly', 'ServerLost'],
    ['ECONNRESET', 'read ECONNRESET', 'ServerLost'],
    // A state that says that the query itself was wrong is a defect of ours.
    ['42601', 'syntax error at or near "FORM"', 'Internal'],
  ])('with %s (%s) is %s', (code, message, reason) => {
    expect(queryFault(thrown(code, message), access)).toMatchObject({ reason });
  });
});

describe('a tool that fails', () => {
  const reasonOf = (message: string): unknown => (toolFault(new Fault('ToolFailed', message), access) as Fault).reason;
  const connecting = 'connection to server at "shop-db" (10.0.0.7), port 5432 failed: ';

  it.each([
    [`pg_dump: error: ${connecting}FATAL:  password authentication failed for user "backup"`, 'AuthenticationFailed'],
    [`pg_dump: error: ${connecting}fe_sendauth: no password supplied`, 'AuthenticationFailed'],
    [`pg_dump: error: ${connecting}FATAL:  database "sh\nop" does not exist`, 'DatabaseMissing'],
    ['pg_dump: error: aborting because of server version mismatch', 'VersionUnsupported'],
    ['pg_restore: error: unsupported version (1.16) in file header', 'VersionUnsupported'],
    [`pg_dump: error: ${connecting}SSL error: certificate verify failed`, 'TlsFailed'],
    [`pg_dump: error: ${connecting}server does not support SSL, but SSL was required`, 'TlsFailed'],
    ['pg_dump: error: query failed: server closed the connection unexpectedly', 'ServerLost'],
    ['pg_dump: error: query failed: FATAL:  terminating connection due to administrator command', 'ServerLost'],
    ['pg_dump: error: query failed: ERROR:  permission denied for table orders', 'PrivilegeMissing'],
    ['pg_restore: error: could not execute query: ERROR:  must be able to SET ROLE "shop_owner"', 'PrivilegeMissing'],
    [`pg_dump: error: ${connecting}Connection refused`, 'ServerUnreachable'],
    [`pg_dump: error: could not translate host name "shop-db" to address`, 'ServerUnreachable'],
    ['pg_restore: error: could not read from input file: end of file', 'ToolFailed'],
  ])('and says %j is given its reason: %s', (message, reason) => {
    expect(reasonOf(message)).toBe(reason);
  });

  it('is not taken for a missing database because something else in a database does not exist', () => {
    const words =
      'pg_restore: error: database "shop": could not execute query: ERROR:  role "shop_owner" does not exist';
    expect(reasonOf(words)).toBe('ToolFailed');
  });

  it('keeps every other reason, and what is no fault', () => {
    const lost = new Fault('ToolLost', 'it vanished; permission denied');
    const other = new Error('permission denied');
    expect([toolFault(lost, access), toolFault(other, access)]).toEqual([lost, other]);
  });
});
