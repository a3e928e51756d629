import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { S3Config } from '../../src/store/s3/client.ts';
import { freePorts } from './cluster/free-port.ts';
import { goProgram } from './cluster/go-programs.ts';
import { type Tell, tellOnStderr } from './cluster/story.ts';
import { waitFor } from './cluster/wait.ts';

export interface S3Server {
  /** `http://127.0.0.1:PORT`, or `https:` when a certificate was given. */
  endpoint: string;
  host: string;
  port: number;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** Where the objects lie as plain files, one directory a bucket: for damaging them behind the server's back. */
  dataDir: string;
  makeBucket(name: string): void;
  /** Everything that a store needs to reach a bucket of this server. */
  config(bucket: string, more?: Partial<S3Config>): S3Config;
  /** Ends the server, with a signal of one's choice, and waits until it is gone. The data stays for `restart`. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port over the same data. */
  restart(): Promise<void>;
  /** Ends the server and removes what it wrote. */
  stop(): Promise<void>;
}

export const s3Credentials = { accessKeyId: 'backstay-test', secretAccessKey: 'backstay-test-secret' };

export interface S3ServerOptions {
  tell?: Tell;
  /** PEM files: with them the server speaks TLS. */
  tls?: { certFile: string; keyFile: string };
  /** Another address to listen on than 127.0.0.1, for pods. */
  host?: string;
}

/** Makes the server's program (a minute, the first time) and answers its path. */
export function buildVersitygw(tell: Tell = tellOnStderr): Promise<string> {
  return goProgram(tell, 'versitygw');
}

/**
 * A real S3 server (versitygw over a directory), built once and cached. It listens on a free port and writes below the
 * system's temporary directory only.
 */
export async function startS3Server({
  tell = tellOnStderr,
  tls,
  host = '127.0.0.1',
}: S3ServerOptions = {}): Promise<S3Server> {
  const program = await buildVersitygw(tell);
  const home = await mkdtemp(join(tmpdir(), 'backstay-s3-'));
  const dataDir = join(home, 'data');
  mkdirSync(dataDir);
  const [port] = await freePorts(host, 1);
  const credentials = s3Credentials;
  const endpoint = `${tls ? 'https' : 'http'}://${host}:${port}`;
  let running: { gone: Promise<void>; kill: (signal: NodeJS.Signals) => void } | undefined;

  const start = async (): Promise<void> => {
    const tlsFlags = tls ? ['--cert', tls.certFile, '--key', tls.keyFile] : [];
    const child = spawn(
      program,
      ['--port', `${host}:${port}`, '--quiet', '--health', '/health', ...tlsFlags, 'posix', dataDir],
      {
        cwd: home,
        env: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2000);
    });
    const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
    let failed: Error | undefined;
    child.once('error', (error) => {
      failed = error;
    });
    running = { gone, kill: (signal) => child.kill(signal) };
    await waitFor('versitygw to answer', () => answers(host, Number(port), () => failed ?? exited(child)), {
      timeoutMs: 15_000,
      intervalMs: 25,
      explain: () => said,
    });
  };
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    running?.kill(signal);
    await running?.gone;
    running = undefined;
  };

  await start();
  return {
    endpoint,
    host,
    port: Number(port),
    region: 'us-east-1',
    ...credentials,
    dataDir,
    makeBucket: (name) => mkdirSync(join(dataDir, name)),
    config: (bucket, more = {}) => ({
      kind: 's3',
      name: 's3',
      bucket,
      region: 'us-east-1',
      endpoint,
      forcePathStyle: true,
      ...credentials,
      ...more,
    }),
    kill,
    restart: start,
    stop: async () => {
      await kill();
      await rm(home, { recursive: true, force: true });
    },
  };
}

function exited(child: { exitCode: number | null }): Error | undefined {
  return child.exitCode === null ? undefined : new Error(`versitygw ended with ${child.exitCode}`);
}

/** Whether something accepts connections there; a server that has ended cannot answer any more. */
async function answers(host: string, port: number, ended: () => Error | undefined): Promise<boolean> {
  const error = ended();
  if (error !== undefined) throw error;
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
