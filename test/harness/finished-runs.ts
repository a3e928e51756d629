import type { ApiClient } from '../../src/cluster/kubernetes/http.ts';
import { kindPath, objectPath } from '../../src/cluster/kubernetes/paths.ts';
import { type Kind, keyOf, type Resource } from '../../src/cluster/resource.ts';

export interface History {
  namespaces: readonly string[];
  /** All together, spread evenly over the namespaces. */
  policies: number;
  runsPerPolicy: number;
}

/** What an operator finds that has worked for a while: policies whose next run is far away, each with runs that have succeeded. */
export async function makeHistory(client: ApiClient, { namespaces, policies, runsPerPolicy }: History): Promise<void> {
  const jobs = Array.from({ length: policies }, (_, at) => () => makePolicy(client, namespaces, at, runsPerPolicy));
  await Promise.all(Array.from({ length: 16 }, () => drain(jobs)));
}

async function drain(jobs: (() => Promise<void>)[]): Promise<void> {
  for (let job = jobs.pop(); job !== undefined; job = jobs.pop()) await job();
}

async function makePolicy(client: ApiClient, namespaces: readonly string[], at: number, runs: number): Promise<void> {
  const namespace = namespaces[at % namespaces.length] ?? '';
  const name = `policy-${at}`;
  await create(client, 'BackupPolicy', namespace, name, policySpec);
  for (let number = 0; number < runs; number++) {
    const spec = { policyName: name, method: 'Dump', dump: { databases: ['shop'] } };
    const run = await create(client, 'BackupRun', namespace, `${name}-${number}`, spec);
    const path = `${objectPath('BackupRun', keyOf(run))}/status`;
    await client.json({ method: 'PUT', path, body: { ...run, status: succeeded(run, number) } });
  }
}

function create(client: ApiClient, kind: Kind, namespace: string, name: string, spec: object): Promise<Resource> {
  const body = { apiVersion: 'backstay.dev/v1alpha1', kind, metadata: { namespace, name }, spec };
  return client.json<Resource>({ method: 'POST', path: kindPath(kind, namespace), body });
}

const policySpec = {
  engine: 'PostgreSQL',
  target: { host: 'db.example.com', credentials: { backup: { secretName: 'shop-backup' } } },
  toolImages: { dump: 'postgres:18' },
  stores: [{ name: 'near', s3: { bucket: 'backups', prefix: 'shop', credentials: { secretName: 'shop-s3' } } }],
  // A leap day: nothing becomes due while somebody measures.
  schedules: [{ name: 'nightly', cron: '0 0 29 2 *', method: 'Dump', dump: { databases: ['shop'] } }],
};

function succeeded({ metadata: { uid, name, creationTimestamp } }: Resource, number: number): object {
  const startedAt = creationTimestamp;
  return {
    phase: 'Succeeded',
    startedAt,
    completedAt: startedAt,
    duration: '1m12s',
    size: '1.2 GB',
    attempts: [
      {
        number: 1,
        store: 'near',
        startedAt,
        startBy: startedAt,
        runningDeadline: '6h',
        acceptedAt: startedAt,
        runningAt: startedAt,
        endedAt: startedAt,
        outcome: 'Succeeded',
      },
    ],
    set: {
      store: 'near',
      runUid: uid,
      attempt: '1',
      lineage: '7503498234982349823-1',
      manifestKey: `lineages/7503498234982349823-1/sets/${uid}/1/manifest.json`,
      manifestSha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      consistentAt: startedAt,
      position: `0/${1_000_000 + number}`,
      plainBytes: 4_812_345_678,
      storedBytes: 1_212_345_678,
      objectCount: 12,
      tableCount: 84,
      rowCount: 12_345_678,
      serverVersion: '18.1 (Debian 18.1-1)',
      toolVersion: `pg_dump (PostgreSQL) 18.1, for ${name}`,
    },
  };
}
