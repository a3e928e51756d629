import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { parseAllDocuments } from 'yaml';
import type { Kind, Resource } from '../../src/cluster/resource.ts';
import type { SettledCluster } from './cluster/cluster.ts';
import { kubectl, kubectlApply } from './cluster/kubectl.ts';
import { checkoutDir } from './cluster/paths.ts';
import { eventually } from './eventually.ts';
import { forwardPort } from './port-forward.ts';
import type { EndedObject } from './standalone.ts';

interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string };
  [field: string]: unknown;
}

/** The objects of a YAML file of the checkout. */
export function readManifests(path: string): Manifest[] {
  return parseAllDocuments(readFileSync(join(checkoutDir, path), 'utf8'))
    .map((document) => document.toJS() as Manifest)
    .filter((value) => value !== null);
}

/** The three kinds and the operator, as a user installs them from the checkout; waits until it is ready to work. */
export async function installOperator(cluster: SettledCluster): Promise<void> {
  const crds = ['backuppolicies', 'backupruns', 'restorerequests'].flatMap((plural) =>
    readManifests(`crds/backstay.dev_${plural}.yaml`),
  );
  await kubectlApply(crds, cluster);
  await kubectl(
    ['wait', '--for=condition=Established', '--timeout=30s', ...crds.map(({ metadata }) => `crd/${metadata.name}`)],
    { cluster },
  );
  await kubectlApply(readManifests('examples/kubernetes/operator.yaml'), cluster);
  await kubectl(['-n', 'backstay-system', 'rollout', 'restart', 'deployment/backstay'], { cluster });
  await kubectl(['-n', 'backstay-system', 'rollout', 'status', 'deployment/backstay', '--timeout=120s'], { cluster });
}

/** A namespace with the playground's PostgreSQL and S3 server, under restricted Pod Security. */
export class Playground {
  readonly cluster: SettledCluster;
  readonly namespace: string;
  #forward: { host: string; port: number; stop(): void } | undefined;

  constructor(cluster: SettledCluster, namespace: string) {
    this.cluster = cluster;
    this.namespace = namespace;
  }

  async start(): Promise<void> {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await kubectlApply(
      [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: this.namespace, labels } }],
      this.cluster,
    );
    await this.apply(readManifests('examples/kubernetes/playground.yaml'));
    await this.kubectl(['rollout', 'status', 'statefulset/shop-postgres', '--timeout=120s']);
    await this.kubectl(['rollout', 'status', 'deployment/s3', '--timeout=120s']);
    this.#forward = await forwardPort(this.cluster, {
      namespace: this.namespace,
      service: 'shop-postgres',
      port: 5432,
    });
  }

  /** How a client on this machine reaches a database of the playground, as its superuser. */
  connection(database: string): pg.ClientConfig {
    if (this.#forward === undefined) throw new Error('the playground was not started');
    const { host, port } = this.#forward;
    return { host, port, user: 'postgres', password: 'admin-password', database };
  }

  async query(sql: string, database = 'postgres'): Promise<Record<string, unknown>[]> {
    const client = new pg.Client(this.connection(database));
    client.on('error', () => {});
    await client.connect();
    try {
      const answer: pg.QueryResult | pg.QueryResult[] = await client.query(sql);
      return (Array.isArray(answer) ? answer.at(-1)?.rows : answer.rows) ?? [];
    } finally {
      await client.end();
    }
  }

  kubectl(args: readonly string[], input?: string): Promise<string> {
    const options = { cluster: this.cluster, ...(input === undefined ? {} : { input }) };
    return kubectl(['-n', this.namespace, ...args], options);
  }

  apply(objects: readonly Manifest[]): Promise<void> {
    const placed = objects.map((object) => ({
      ...object,
      metadata: { ...object.metadata, namespace: this.namespace },
    }));
    return kubectlApply(placed, this.cluster);
  }

  async get(kind: Kind, name: string): Promise<Resource> {
    return JSON.parse(await this.kubectl(['get', kind, name, '-o', 'json'])) as Resource;
  }

  async list(kind: Kind): Promise<Resource[]> {
    return (JSON.parse(await this.kubectl(['get', kind, '-o', 'json'])) as { items: Resource[] }).items;
  }

  /** Waits until a run or a request has ended, and answers it. */
  async waitForEnd(kind: 'BackupRun' | 'RestoreRequest', name: string, timeoutMs = 120_000): Promise<EndedObject> {
    return eventually(
      async () => {
        const object = (await this.get(kind, name)) as EndedObject;
        if (!['Succeeded', 'Failed'].includes(object.status?.phase)) {
          throw new Error(`${kind} ${name} has not ended: ${JSON.stringify(object.status)}`);
        }
        return object;
      },
      timeoutMs,
      500,
    );
  }

  /** Ends the way in and removes the namespace with all that is in it. */
  async stop(): Promise<void> {
    this.#forward?.stop();
    await kubectl(['delete', 'namespace', this.namespace, '--ignore-not-found', '--timeout=120s'], {
      cluster: this.cluster,
    });
  }
}
