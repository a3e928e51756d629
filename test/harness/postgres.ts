import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import pg from 'pg';
import { debianPostgres, newestPostgres, type PostgresPrograms } from './postgres-programs.ts';
import { makeAuthority } from './tls.ts';

export interface PostgresOptions {
  /** `newest` (18, without TLS) unless `tls` is asked for, which only Debian's build has. */
  programs?: PostgresPrograms;
  /** A certificate for `localhost` only, from an authority of its own: `caPem`. */
  tls?: boolean;
  /** A free one unless given. */
  port?: number;
  settings?: Readonly<Record<string, string>>;
}

/** A real server with data of its own under the system's temporary directory. */
export interface Postgres {
  host: string;
  port: number;
  /** The superuser. */
  username: string;
  password: string;
  /** The directory of the tools of the same version. */
  bin: string;
  caPem: string | undefined;
  /** How its superuser reaches a database. */
  connection(database: string): pg.ClientConfig;
  /** Runs SQL, several statements too, in `database` (`postgres` unless given); rows of the last one. */
  query(
    sql: string,
    as?: { database?: string; username?: string; password?: string },
  ): Promise<Record<string, unknown>[]>;
  /** What the server has logged so far. */
  log(): string;
  /** Starts the server again after `crash`. */
  start(): Promise<void>;
  /** Ends every server process at once, as a power cut does. */
  crash(): Promise<void>;
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
}

const addressCount = 60;

/** Settings of a server that `addressesOf` can be used with. */
export const manyAddresses = {
  listen_addresses: ['localhost', ...Array.from({ length: addressCount }, (_, at) => loopback(at))].join(','),
};

/**
 * The server under an address that none had before, up to 60 times: what works on it is taken for work on a server of its
 * own, and does not wait for the others.
 */
export function addressesOf(server: Postgres): () => Postgres {
  let used = 0;
  return () => {
    if (used === addressCount) throw new Error(`the server has ${addressCount} addresses only`);
    used += 1;
    return { ...server, host: loopback(used - 1) };
  };
}

function loopback(at: number): string {
  return `127.0.0.${at + 2}`;
}

/** Runs SQL, several statements too, on a connection of its own; rows of the last one. */
export async function runSql(connection: pg.ClientConfig, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(connection);
  client.on('error', () => {});
  await client.connect();
  try {
    const answer: pg.QueryResult | pg.QueryResult[] = await client.query(sql);
    return (Array.isArray(answer) ? answer.at(-1)?.rows : answer.rows) ?? [];
  } finally {
    await client.end();
  }
}

/** initdb and start, as another user when this one is root: no PostgreSQL server runs as root. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const programs = options.programs ?? (options.tls ? debianPostgres() : newestPostgres());
  const dir = mkdtempSync(join(tmpdir(), 'backstay-postgres-'));
  const user = serverUser();
  const own = (path: string): void => {
    if (user !== undefined) chownSync(path, user, user);
  };
  own(dir);
  const bin = reachableBin(programs, dir, user);
  const data = join(dir, 'data');
  const logFile = join(dir, 'log');
  const password = randomBytes(12).toString('hex');
  const passwordFile = join(dir, 'password');
  writeFileSync(passwordFile, password);
  own(passwordFile);
  const initdb = ['-D', data, '-U', 'postgres', '--pwfile', passwordFile, '--auth=scram-sha-256', '--no-sync'];
  const made = spawnSync(...asUser(user, join(bin, 'initdb'), [...initdb, '-E', 'UTF8', '--locale=C.UTF-8']), {
    cwd: dir,
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(`initdb: ${made.error?.message ?? made.stderr}`);

  let caPem: string | undefined;
  const settings: Record<string, string> = {
    listen_addresses: 'localhost',
    unix_socket_directories: dir,
    fsync: 'off',
    shared_buffers: '32MB',
    log_min_messages: 'warning',
    ...options.settings,
  };
  if (options.tls) {
    const authority = makeAuthority(dir);
    const { certFile, keyFile } = authority.issue('localhost');
    own(certFile);
    own(keyFile);
    chmodSync(keyFile, 0o600);
    caPem = authority.caPem;
    Object.assign(settings, { ssl: 'on', ssl_cert_file: certFile, ssl_key_file: keyFile });
  }

  let child: ChildProcess | undefined;
  const server: Postgres = {
    host: 'localhost',
    port: options.port ?? 0,
    username: 'postgres',
    password,
    bin: programs.bin,
    caPem,
    connection: (database) => ({ host: 'localhost', port: server.port, user: 'postgres', password, database }),
    query: (sql, { database = 'postgres', username, password: secret } = {}) =>
      runSql(
        { ...server.connection(database), ...(username && { user: username }), ...(secret && { password: secret }) },
        sql,
      ),
    log: () => readFileSync(logFile, 'utf8'),
    async start() {
      for (let tries = 1; ; tries += 1) {
        if (options.port === undefined && tries > 1) server.port = 0;
        if (server.port === 0) server.port = randomInt(20_000, 32_000);
        const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
        const log = openSync(logFile, 'a');
        child = spawn(...asUser(user, join(bin, 'postgres'), ['-D', data, '-p', String(server.port), ...args]), {
          cwd: dir,
          stdio: ['ignore', log, log],
        });
        closeSync(log);
        if (await accepts(server, child)) return;
        if (tries === 5) throw new Error(`postgres did not start: ${server.log()}`);
      }
    },
    async crash() {
      await end(child, 'SIGQUIT');
    },
    async stop() {
      await end(child, 'SIGQUIT');
      rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
  await server.start();
  return server;
}

const nobody = 65_534;

function serverUser(): number | undefined {
  return process.getuid?.() === 0 ? nobody : undefined;
}

/** The command under the server's user; the kernel ends it when this process dies, so that a killed test run leaves no server. */
function asUser(user: number | undefined, program: string, args: string[]): [string, string[]] {
  const change = user === undefined ? [] : [`--reuid=${user}`, `--regid=${user}`, '--clear-groups'];
  return ['setpriv', [...change, '--pdeathsig=QUIT', program, ...args]];
}

/** A cache under root's home cannot be entered by the server's user: then the programs are linked into the server's own directory. */
function reachableBin(programs: PostgresPrograms, dir: string, user: number | undefined): string {
  if (user === undefined || spawnSync(...asUser(user, 'test', ['-x', join(programs.bin, 'postgres')])).status === 0) {
    accessSync(join(programs.bin, 'postgres'), constants.X_OK);
    return programs.bin;
  }
  const copy = join(dir, 'programs');
  const linked = spawnSync('cp', ['-al', programs.root, copy]);
  if (linked.status !== 0) {
    rmSync(copy, { recursive: true, force: true });
    spawnSync('cp', ['-a', programs.root, copy]);
  }
  return join(copy, relative(programs.root, programs.bin));
}

async function accepts(server: Postgres, child: ChildProcess): Promise<boolean> {
  const untilMs = Date.now() + 30_000;
  while (Date.now() < untilMs && child.exitCode === null) {
    if (await canConnect(server.port)) {
      const mine = await server.query('SELECT 1').then(
        () => true,
        (thrown: Error) => !/starting up|not yet accepting/.test(thrown.message) && Promise.reject(thrown),
      );
      if (mine && child.exitCode === null) return true;
    }
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return false;
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: 'localhost', port });
    socket.on('connect', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('close', () => socket.destroy());
    socket.on('connect', () => socket.destroy());
  });
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  await gone;
}
