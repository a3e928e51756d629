// `npm run bench:stream`: the whole data path against the bare tools, one after the other in one run, so that the ratios
// hold whatever the machine is. Nothing here gates a test.
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Task, TaskStore } from '../src/contract/task.ts';
import { generateIdentity } from '../src/stream/identity.ts';
import { installDebianPackages } from '../test/harness/debian.ts';
import { type Postgres, startPostgres } from '../test/harness/postgres.ts';
import { startS3Server } from '../test/harness/versitygw.ts';
import { type AgentRun, runAgentTask } from './agent-run.ts';

const { values } = parseArgs({
  options: {
    'size-mb': { type: 'string', default: '2000' },
    json: { type: 'string' },
    'skip-restore': { type: 'boolean' },
  },
});
const sizeMb = Number(values['size-mb']);
interface Result {
  seconds: number;
  /** Against the same work by hand. */
  ratio?: number;
  peakRssMb?: number;
  cpuSeconds?: number;
  bytes?: number;
  stepSeconds?: Record<string, number>;
}
const results: Record<string, Result> = {};
const missing = installDebianPackages(['age', 'zstd']);
if (missing !== undefined) throw new Error(missing);

const directory = mkdtempSync(join(tmpdir(), 'backstay-bench-'));
const server = await startPostgres({ settings: { shared_buffers: '256MB', max_wal_size: '8GB' } });
const s3 = await startS3Server();
try {
  await fill(server);
  await bench();
} finally {
  await s3.stop();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
}
report();

/** Rows that compress about 3:1: more than half is hexadecimal noise, which halves, and the rest says the same again and again. */
async function fill({ query }: Postgres): Promise<void> {
  await query('CREATE DATABASE bench');
  const rows = Math.round((sizeMb * 1_000_000) / 4 / 400);
  for (const table of ['a', 'b', 'c', 'd']) {
    await query(
      `CREATE TABLE ${table} AS
       SELECT n AS id, encode(sha512(('${table}' || n)::bytea) || sha512(('${table}+' || n)::bytea), 'hex') AS token,
         repeat('customer ordered ' || (n % 1000) || ' pieces; ', 4) AS note, n % 97 AS kind, now() AS at
       FROM generate_series(1, ${rows}) AS n`,
      { database: 'bench' },
    );
    await query(`ALTER TABLE ${table} ADD PRIMARY KEY (id)`, { database: 'bench' });
  }
  await query('VACUUM ANALYZE', { database: 'bench' });
}

async function bench(): Promise<void> {
  const identity = await generateIdentity();
  const key = join(directory, 'key');
  writeFileSync(key, `${identity.reveal()}\n`, { mode: 0o600 });
  const hand = join(directory, 'hand.dump.zst.age');
  const environment = {
    PATH: `${server.bin}:${process.env['PATH']}`,
    PGHOST: server.host,
    PGPORT: String(server.port),
    PGUSER: server.username,
    PGPASSWORD: server.password,
  };
  const shell = (name: string, line: string): number => {
    const startedMs = performance.now();
    const { status, stderr } = spawnSync('bash', ['-c', `set -o pipefail; ${line}`], {
      env: environment,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`${name}: ${stderr}`);
    const seconds = (performance.now() - startedMs) / 1000;
    results[name] = { seconds };
    process.stdout.write(`${name}: ${seconds.toFixed(1)} s\n`);
    return seconds;
  };
  const dump = 'pg_dump -Fc --compress=none bench';
  shell('warm the cache', `${dump} > /dev/null`);
  shell('dump: pg_dump alone', `${dump} > /dev/null`);
  // With sync: what a power cut may take is no backup, and Backstay's store syncs too.
  const handSeconds = shell(
    'dump: pg_dump | zstd -3 -T0 | age',
    `${dump} | zstd -q -3 -T0 | age -r ${identity.recipient} > ${hand} && sync ${hand}`,
  );
  const digest = (name: string): string => `tee >(openssl dgst -sha256 > ${join(directory, name)})`;
  shell(
    'dump: the same, with the SHA-256 of what goes in and what comes out',
    `${dump} | ${digest('plain')} | zstd -q -3 -T0 | age -r ${identity.recipient} | ${digest('stored')} > ${hand} && sync ${hand}`,
  );
  results['dump: pg_dump | zstd -3 -T0 | age']!.bytes = statSync(hand).size;

  const secrets = {
    server: { username: server.username, password: server.password },
    store: { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey },
    key: { identity: identity.reveal() },
  };
  const ref = (mount: string, name: string) => ({ mount, key: name });
  const common = {
    taskVersion: 1 as const,
    object: 'bench/bench',
    deadlineMs: Date.now() + 3_600_000,
    server: {
      engine: 'PostgreSQL' as const,
      host: server.host,
      port: server.port,
      username: ref('server', 'username'),
      password: ref('server', 'password'),
      tls: { mode: 'Disable' as const },
    },
  };
  const files = join(directory, 'store');
  mkdirSync(files);
  s3.makeBucket('bench');
  const stores: Record<string, TaskStore> = {
    files: { kind: 'filesystem', name: 'files', path: files },
    s3: {
      kind: 's3',
      name: 's3',
      bucket: 'bench',
      prefix: 'bench',
      region: s3.region,
      endpoint: s3.endpoint,
      forcePathStyle: true,
      requestChecksums: 'WhenSupported',
      accessKeyId: ref('store', 'accessKeyId'),
      secretAccessKey: ref('store', 'secretAccessKey'),
    },
  };
  const sets: Record<string, { runUid: string; manifestSha256: string }> = {};
  for (const [name, store] of Object.entries(stores)) {
    const runUid = randomUUID();
    const task: Task = {
      ...common,
      verb: 'backup',
      store,
      runUid,
      owner: { clusterId: 'bench', namespace: 'bench', policy: 'bench' },
      takeover: false,
      method: 'Dump',
      dump: { database: 'bench' },
      compression: { algorithm: 'Zstd', level: 3 },
      recipients: [identity.recipient],
    };
    const run = await runAgentTask(task, secrets, server.bin);
    if (run.report.outcome !== 'backed-up') throw new Error('no backup');
    const { manifestSha256, storedBytes } = run.report.set;
    sets[name] = { runUid, manifestSha256 };
    note(`dump: backstay to ${name}`, run, handSeconds, storedBytes);
  }
  if (values['skip-restore']) return;
  await server.query('CREATE DATABASE r0');
  const handRestore = shell(
    'restore: age | zstd | pg_restore',
    `age -d -i ${key} ${hand} | zstd -q -d | pg_restore --single-transaction -d r0`,
  );
  for (const [name, store] of Object.entries(stores)) {
    await server.query('DROP DATABASE IF EXISTS r0');
    await server.query('DROP DATABASE IF EXISTS r1');
    await server.query('CREATE DATABASE r1');
    const task: Task = {
      ...common,
      verb: 'restore',
      store,
      requestUid: randomUUID(),
      ...sets[name]!,
      database: 'r1',
      identity: ref('key', 'identity'),
    };
    note(`restore: backstay from ${name}`, await runAgentTask(task, secrets, server.bin), handRestore);
  }
}

function note(
  name: string,
  { seconds, stepSeconds, peakRssBytes, cpuSeconds }: AgentRun,
  against: number,
  bytes?: number,
): void {
  const peakRssMb = Math.round(peakRssBytes / 1024 / 1024);
  const ratio = Number((seconds / against).toFixed(2));
  results[name] = { seconds, ratio, peakRssMb, cpuSeconds, ...(bytes === undefined ? {} : { bytes }), stepSeconds };
  const steps = Object.entries(stepSeconds).map(([step, each]) => `${step} ${each}`);
  process.stdout.write(
    `${name}: ${seconds.toFixed(1)} s, ${ratio} x the hand pipe, peak RSS ${peakRssMb} MiB, ${cpuSeconds.toFixed(1)} s of processor (${steps.join(', ')})\n`,
  );
}

function report(): void {
  const summary = { sizeMb, cpu: cpus()[0]?.model, cores: cpus().length, node: process.versions.node, results };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(summary, null, 2)}\n`);
}
