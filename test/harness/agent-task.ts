import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentOptions, runAgent } from '../../src/agent/agent.ts';
import { workTimes } from '../../src/agent/work.ts';
import { systemClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/log.ts';
import { layout } from '../../src/contract/layout.ts';
import { decodeReport, type Report, type SetSummary } from '../../src/contract/report.ts';
import type { BackupTask, RestoreTask, Task, TaskServer, TaskStore } from '../../src/contract/task.ts';
import type { Postgres } from './postgres.ts';
import { ToolContainer } from './tool-container.ts';
import { type S3Server, s3Credentials } from './versitygw.ts';

export const owner = { clusterId: 'home-1', namespace: 'default', policy: 'shop' };

/** A directory for a filesystem store; remove it with `rmSync`. */
export function storeDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'backstay-store-'));
}

export function filesystemStore(path: string): TaskStore {
  return { kind: 'filesystem', name: 'near', path };
}

/** A bucket of a test's S3 server, reached through `endpoint` when a proxy stands before it. Needs `s3Secrets`. */
export function s3Store(
  server: Pick<S3Server, 'endpoint' | 'region'>,
  change: Partial<Extract<TaskStore, { kind: 's3' }>> = {},
): TaskStore {
  return {
    kind: 's3',
    name: 'offsite',
    bucket: 'bucket',
    prefix: '',
    region: server.region,
    endpoint: server.endpoint,
    forcePathStyle: true,
    requestChecksums: 'WhenRequired',
    accessKeyId: { mount: 's3', key: 'id' },
    secretAccessKey: { mount: 's3', key: 'secret' },
    ...change,
  };
}

export const s3Secrets = { 's3/id': s3Credentials.accessKeyId, 's3/secret': s3Credentials.secretAccessKey };

export function serverOf(postgres: Postgres, change: Partial<TaskServer> = {}): TaskServer {
  return {
    engine: 'PostgreSQL',
    host: postgres.host,
    port: postgres.port,
    username: { mount: 'db', key: 'username' },
    password: { mount: 'db', key: 'password' },
    tls: { mode: 'Disable' },
    ...change,
  };
}

export function backupTask(postgres: Postgres, store: TaskStore, change: Partial<BackupTask> = {}): BackupTask {
  return {
    taskVersion: 1,
    object: 'default/shop-1',
    store,
    deadlineMs: Date.now() + 120_000,
    verb: 'backup',
    runUid: randomUUID(),
    owner,
    takeover: false,
    server: serverOf(postgres),
    method: 'Dump',
    dump: { database: 'shop' },
    compression: { algorithm: 'Zstd', level: 3 },
    recipients: [],
    ...change,
  };
}

export function restoreTask(
  postgres: Postgres,
  store: TaskStore,
  set: SetSummary,
  change: Partial<RestoreTask> = {},
): RestoreTask {
  return {
    taskVersion: 1,
    object: 'default/restore-1',
    store,
    deadlineMs: Date.now() + 120_000,
    verb: 'restore',
    requestUid: randomUUID(),
    runUid: set.runUid,
    manifestSha256: set.manifestSha256,
    server: serverOf(postgres),
    database: 'back',
    ...change,
  };
}

export interface AgentRun {
  task: Task;
  toolsDir: string;
  /** `mount/key` -> content. */
  secrets?: Readonly<Record<string, string>>;
  options?: Partial<AgentOptions>;
}

/** A task's directory as a runner makes it, with the tool container running. */
export class TaskDirectory {
  readonly tool: ToolContainer;

  constructor({ task, toolsDir, secrets = {} }: AgentRun) {
    this.tool = new ToolContainer({ toolsDir });
    for (const [name, content] of Object.entries(secrets)) {
      const path = join(this.tool.root, layout.secrets, name);
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, content);
    }
    writeFileSync(join(this.tool.root, layout.task), JSON.stringify(task));
    this.tool.start();
  }

  report(): Report | undefined {
    const path = join(this.tool.root, layout.report);
    return existsSync(path) ? decodeReport(readFileSync(path, 'utf8')) : undefined;
  }

  async remove(): Promise<void> {
    await this.tool.remove();
    rmSync(this.tool.root, { recursive: true, force: true });
  }
}

export function secretsOf(postgres: Postgres, change: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { 'db/username': postgres.username, 'db/password': `${postgres.password}\n`, ...change };
}

/** Runs the agent in this process; its report, and the text it logged. */
export async function runTask(run: AgentRun): Promise<{ report: Report; exitCode: number; log: string }> {
  const directory = new TaskDirectory(run);
  let log = '';
  try {
    const exitCode = await runAgent({
      root: directory.tool.root,
      version: '0.0.0-test',
      clock: systemClock,
      log: createLogger('info', {
        write: (line: string) => {
          log += line;
        },
      }),
      signal: new AbortController().signal,
      times: { ...workTimes, startMs: 10_000, exitMs: 2_000, watchMs: 200 },
      ...run.options,
    });
    const report = directory.report();
    if (report === undefined) throw new Error(`no report; the log: ${log}`);
    return { report, exitCode, log };
  } finally {
    await directory.remove();
  }
}

/** The set of a backup that must have succeeded. */
export async function backUp(run: AgentRun): Promise<SetSummary> {
  const { report } = await runTask(run);
  if (report.outcome !== 'backed-up') throw new Error(`not backed up: ${JSON.stringify(report)}`);
  return report.set;
}
