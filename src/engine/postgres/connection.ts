import { Socket } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import pg from 'pg';
import { Fault } from '../../base/fault.ts';
import type { ServerAccess } from '../engine.ts';
import { connectFault, queryFault } from './faults.ts';

const connectTimeoutMs = 15_000;

/** One session with the server. When the signal it was made with is aborted, it is cut and calls reject with the reason. */
export interface Connection {
  query<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Idempotent; an open transaction is rolled back. */
  close(): Promise<void>;
}

/** Throws ServerUnreachable, AuthenticationFailed, TlsFailed, DatabaseMissing, PrivilegeMissing. */
export async function openConnection(access: ServerAccess, database: string, signal: AbortSignal): Promise<Connection> {
  signal.throwIfAborted();
  const socket = new Socket();
  const client = new pg.Client({
    host: access.host,
    port: access.port,
    user: access.username,
    password: access.password,
    database,
    application_name: access.applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    ssl: tlsOptions(access),
    stream: () => socket,
  });
  // A connection that breaks between two queries tells it here; the next query fails by itself.
  client.on('error', () => {});
  const cut = (): void => {
    socket.destroy();
  };
  signal.addEventListener('abort', cut, { once: true });
  try {
    await client.connect();
    // pg_catalog only: no function or operator that a user put into public can take the place of the server's own.
    // No time limit of the role may end a long transaction, and hidden rows are an error instead of a smaller backup.
    await client.query(
      'SET search_path = pg_catalog; SET statement_timeout = 0; SET lock_timeout = 0; SET row_security = off',
    );
    await client.query('SET idle_in_transaction_session_timeout = 0');
  } catch (thrown) {
    signal.removeEventListener('abort', cut);
    socket.destroy();
    signal.throwIfAborted();
    throw connectFault(thrown, access);
  }
  let closed = false;
  return {
    async query<Row extends object>(sql: string, values: readonly unknown[] = []) {
      try {
        return (await client.query<Row>(sql, [...values])).rows;
      } catch (thrown) {
        signal.throwIfAborted();
        throw queryFault(thrown, access);
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      signal.removeEventListener('abort', cut);
      await client.end().catch(() => {});
      socket.destroy();
    },
  };
}

function tlsOptions({ host, tls }: ServerAccess): ConnectionOptions | false {
  switch (tls.mode) {
    case 'Disable':
      return false;
    case 'Require':
      return { rejectUnauthorized: false };
    case 'VerifyCA':
      return { ca: requireCa(tls), checkServerIdentity: () => undefined };
    case 'VerifyFull':
      // Named here: for a host given as an address, the check would else be against "localhost".
      return {
        ca: requireCa(tls),
        checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
      };
  }
}

function requireCa(tls: ServerAccess['tls']): string {
  if (tls.caPem !== undefined) return tls.caPem;
  throw new Fault('TlsFailed', `TLS mode ${tls.mode} needs the certificate of the authority, and none was given`, {
    hint: 'Set spec.target.tls.caSecretName.',
  });
}
