import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import type { Report, SetSummary } from '../../../src/contract/report.ts';
import type { BackupTask, RestoreTask, TaskStore } from '../../../src/contract/task.ts';
import { generateIdentity, type Identity } from '../../../src/stream/identity.ts';
import {
  type AgentRun,
  backupTask,
  restoreTask,
  runTask,
  s3Secrets,
  s3Store,
  secretsOf,
} from '../../harness/agent-task.ts';
import { type Postgres, startPostgres } from '../../harness/postgres.ts';
import { type S3Fault, type S3FaultProxy, type SeenRequest, startS3FaultProxy } from '../../harness/s3-fault-proxy.ts';
import { type S3Server, startS3Server } from '../../harness/versitygw.ts';
import { unfinishedUploads } from '../store/conformance.ts';

/** Waits and deadlines pass 50 times as fast: the 30 s for which a store that had answered is asked again are 0.6 s. */
export const hurried: Clock = {
  ...systemClock,
  after: (delayMs, call, options) => systemClock.after(delayMs / 50, call, options),
};

/** For a test that holds a request: no deadline may cut it. */
export const patient = { clock: systemClock };

/** Real seconds, told to an agent whose clock is hurried. */
export const deadlineIn = (seconds: number): number => Date.now() + seconds * 50_000;

export const isObject = ({ url }: SeenRequest): boolean => url.includes('/dump-0');
export const isObjectWrite = (seen: SeenRequest): boolean => seen.method === 'PUT' && isObject(seen);
export const isObjectRead = (seen: SeenRequest): boolean => seen.method === 'GET' && isObject(seen);
export const isManifestWrite = ({ method, url }: SeenRequest): boolean =>
  method === 'PUT' && url.includes('/manifest.json');

/** Hits every request that fits. */
export const whenever =
  (fits: (seen: SeenRequest) => boolean, fault: S3Fault) =>
  (seen: SeenRequest): S3Fault | undefined =>
    fits(seen) ? fault : undefined;

const rowCount = 2800;

/**
 * A server with some 9 MB in the database `shop`, an empty database `back`, and an S3 server behind a proxy that does
 * what networks do. The objects of a backup are of one or two frames unless the test says otherwise.
 */
export class BadDay {
  readonly postgres: Postgres;
  readonly server: S3Server;
  readonly proxy: S3FaultProxy;
  /** Mounted at every task as `key/identity`; only what names it uses it. */
  readonly identity: Identity;
  #before: unknown;

  private constructor(postgres: Postgres, server: S3Server, proxy: S3FaultProxy, identity: Identity) {
    this.postgres = postgres;
    this.identity = identity;
    this.server = server;
    this.proxy = proxy;
  }

  static async begin(): Promise<BadDay> {
    const postgres = await startPostgres();
    const server = await startS3Server();
    server.makeBucket('bucket');
    const day = new BadDay(postgres, server, await startS3FaultProxy(server), await generateIdentity());
    await postgres.query('CREATE DATABASE shop');
    await postgres.query(
      `CREATE TABLE blobs (id int PRIMARY KEY, body text);
       INSERT INTO blobs SELECT n, (SELECT string_agg(md5(n::text || m), '') FROM generate_series(1, 100) m) FROM generate_series(1, ${rowCount}) n`,
      { database: 'shop' },
    );
    day.#before = await day.rows('shop');
    await day.emptyTarget();
    return day;
  }

  async end(): Promise<void> {
    await this.proxy.stop();
    await this.server.stop();
    await this.postgres.stop();
  }

  /** Ends the faults of the last test. */
  async emptyTarget(): Promise<void> {
    this.proxy.rule = undefined;
    this.proxy.seen.length = 0;
    await this.postgres.query('DROP DATABASE IF EXISTS back WITH (FORCE)');
    await this.postgres.query('CREATE DATABASE back TEMPLATE template0');
  }

  /** A place of its own in the bucket, behind the proxy. */
  newStore(): { store: TaskStore; prefix: string } {
    const prefix = `t-${randomUUID()}`;
    return { store: s3Store({ ...this.server, endpoint: this.proxy.endpoint }, { prefix }), prefix };
  }

  backup(store: TaskStore, change: Partial<BackupTask> = {}, options: AgentRun['options'] = {}): Promise<Report> {
    const packing: Partial<BackupTask> = { compression: { algorithm: 'None', level: 0 }, deadlineMs: deadlineIn(60) };
    return this.#run(backupTask(this.postgres, store, { ...packing, ...change }), options);
  }

  restore(
    store: TaskStore,
    set: SetSummary,
    change: Partial<RestoreTask> = {},
    options: AgentRun['options'] = {},
    identity = this.identity,
  ): Promise<Report> {
    const task = restoreTask(this.postgres, store, set, { deadlineMs: deadlineIn(60), ...change });
    return this.#run(task, options, identity);
  }

  async #run(task: AgentRun['task'], options: AgentRun['options'], identity = this.identity): Promise<Report> {
    const run: AgentRun = {
      task,
      toolsDir: this.postgres.bin,
      secrets: secretsOf(this.postgres, { 'key/identity': identity.reveal(), ...s3Secrets }),
      options: { clock: hurried, objectBytes: 3_000_000, ...options },
    };
    return (await runTask(run)).report;
  }

  /** What lies below the prefix, behind the server's back. */
  keys(prefix: string): string[] {
    const path = join(this.server.dataDir, 'bucket', prefix);
    if (!existsSync(path)) return [];
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1));
  }

  rows(database: string): Promise<unknown> {
    return this.postgres.query('SELECT count(*)::int, sum(hashtext(blobs::text)) FROM blobs', { database });
  }

  /** No manifest, nothing of an attempt, no upload that is paid for; and the source as it was. */
  async expectNothingHalfWritten(prefix: string): Promise<void> {
    expect(this.keys(prefix).filter((key) => key.includes('/sets/'))).toEqual([]);
    expect((await unfinishedUploads(this.server, 'bucket')).filter((key) => key.startsWith(prefix))).toEqual([]);
    expect(await this.rows('shop')).toEqual(this.#before);
  }

  async expectEmptyTarget(): Promise<void> {
    const found = await this.postgres.query('SELECT relname FROM pg_class WHERE oid >= 16384', { database: 'back' });
    expect(found).toEqual([]);
  }

  async expectRestored(): Promise<void> {
    expect(await this.rows('back')).toEqual(this.#before);
  }
}

export function setOf(report: Report): SetSummary {
  if (report.outcome !== 'backed-up') throw new Error(`not backed up: ${JSON.stringify(report)}`);
  return report.set;
}

export function failureOf(report: Report): { reason: string; message: string; hint: string } {
  if (report.outcome !== 'failed') throw new Error(`expected a failure: ${JSON.stringify(report)}`);
  expect(report.hint).not.toBe('');
  return report;
}
