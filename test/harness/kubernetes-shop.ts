import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { parseAllDocuments } from 'yaml';
import type { Kind, Resource } from '../../src/cluster/resource.ts';
import { generateIdentity } from '../../src/stream/identity.ts';
import type { SettledCluster } from './cluster/cluster.ts';
import { kubectl, kubectlApply } from './cluster/kubectl.ts';
import { checkoutDir } from './cluster/paths.ts';
import { eventually } from './eventually.ts';
import { forwardPort } from './port-forward.ts';
import { runSql } from './postgres.ts';
import { SecretWatch } from './secret-watch.ts';
import type { EndedObject } from './standalone.ts';

export interface Manifest {
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

/** A namespace with the playground's PostgreSQL and S3 server, under restricted Pod Security. */
export class Playground {
  readonly cluster: SettledCluster;
  readonly namespace: string;
  #forward: { host: string; port: number; stop(): void } | undefined;
  #recipient = '';
  #secrets: SecretWatch | undefined;

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
    this.#secrets = await SecretWatch.open(this.cluster, this.namespace);
    const playground = readManifests('examples/kubernetes/playground.yaml');
    for (const { kind, metadata, stringData } of playground) {
      if (kind === 'Secret') this.#guard(metadata.name, stringData as Record<string, string>);
    }
    await this.apply(playground);
    await this.kubectl(['rollout', 'status', 'statefulset/shop-postgres', '--timeout=120s']);
    await this.kubectl(['rollout', 'status', 'deployment/s3', '--timeout=120s']);
    this.#forward = await this.#wayIn();
    // A pod is ready a moment before the node leads its Service's address to it; until then a connection is refused.
    await eventually(() => this.query('SELECT 1'), 60_000, 100);
    const identity = await generateIdentity();
    this.#recipient = identity.recipient;
    await this.putSecret('shop-identity', { identity: identity.reveal() });
  }

  /** Through the kubelet where the pods' addresses are not this machine's: a test that stops the kubelet needs the other. */
  async #wayIn(): Promise<{ host: string; port: number; stop(): void }> {
    const service = 'shop-postgres';
    if (this.cluster.way !== 'one machine') {
      return forwardPort(this.cluster, { namespace: this.namespace, service, port: 5432 });
    }
    const host = await this.kubectl(['get', 'service', service, '-o', 'jsonpath={.spec.clusterIP}']);
    return { host, port: 5432, stop: () => {} };
  }

  /** How a client on this machine reaches a database of the playground, as its superuser. */
  connection(database: string): pg.ClientConfig {
    if (this.#forward === undefined) throw new Error('the playground was not started');
    const { host, port } = this.#forward;
    return { host, port, user: 'postgres', password: 'admin-password', database };
  }

  query(sql: string, { database = 'postgres' }: { database?: string } = {}): Promise<Record<string, unknown>[]> {
    return runSql(this.connection(database), sql);
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

  putSecret(name: string, stringData: Record<string, string>): Promise<void> {
    this.#guard(name, stringData);
    return this.apply([{ apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData }]);
  }

  /** examples/kubernetes/policy.yaml, encrypted for this playground's key; `change` makes another policy of it. */
  policy(change: { name?: string; spec?: Record<string, unknown> } = {}): Manifest {
    const [example] = readManifests('examples/kubernetes/policy.yaml');
    const { encryption, ...spec } = example!['spec'] as { encryption: { age: object } };
    return {
      ...example!,
      metadata: { name: change.name ?? example!.metadata.name },
      spec: { ...spec, encryption: { age: { ...encryption.age, recipients: [this.#recipient] } }, ...change.spec },
    };
  }

  /**
   * A policy of that name without a schedule, with a prefix of its own, and a run of it by hand, both of the examples;
   * the run has the same name. The server has that name, too.
   */
  async backUp(
    name: string,
    { database = 'shop', spec = {} }: { database?: string; spec?: Record<string, unknown> } = {},
  ) {
    const { target: example } = this.policy()['spec'] as { target: { service?: string } };
    const asked: { service?: string } = { ...example, ...(spec['target'] ?? {}) };
    const target = asked.service === example.service ? { ...asked, service: await this.nameServer(name) } : asked;
    const own = { stores: [this.store(`own/${name}`)], schedules: [], ...spec, target };
    const [byHand] = readManifests('examples/kubernetes/run.yaml');
    const run = { ...(byHand!['spec'] as object), policyName: name, dump: { databases: [database] } };
    await this.apply([this.policy({ name, spec: own }), { ...byHand!, metadata: { name }, spec: run }]);
  }

  /**
   * One more Service of the playground's server, and the answer is its name. One task at a time works on a server: under a
   * name of its own it is taken for another one, and tasks go side by side.
   */
  async nameServer(name: string): Promise<string> {
    const spec = { selector: { app: 'shop-postgres' }, ports: [{ port: 5432 }] };
    await this.apply([{ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec }]);
    return name;
  }

  /** The store of the example, under a prefix. */
  store(prefix: string): object {
    const { stores } = this.policy()['spec'] as { stores: { s3: object }[] };
    return { ...stores[0]!, s3: { ...stores[0]!.s3, prefix } };
  }

  /** The manifests that lie under a prefix of the S3 server. */
  async manifests(prefix: string): Promise<string[]> {
    const found = await this.kubectl([
      'exec',
      'deploy/s3',
      '-c',
      's3',
      '--',
      'find',
      '/data/backups',
      '-name',
      'manifest.json',
    ]);
    return found.split('\n').filter((path) => path.startsWith(`/data/backups/${prefix}/`));
  }

  /** The pod of a task, as soon as its agent runs. */
  async runningPod(task: string): Promise<string> {
    const { items } = JSON.parse(await this.kubectl(['get', 'pods', '-l', `job-name=${task}`, '-o', 'json'])) as {
      items: { metadata: { name: string }; status: { containerStatuses?: { state?: { running?: object } }[] } }[];
    };
    const [pod] = items;
    if (pod?.status.containerStatuses?.[0]?.state?.running === undefined) throw new Error(`${task} does not run`);
    return pod.metadata.name;
  }

  /** A copy of the shop with a catalog that nobody can read but its holder: pg_dump alone waits for it, until `letGo`. */
  async heldCopy(name: string): Promise<{ letGo(): Promise<void> }> {
    await this.query(`CREATE DATABASE "${name}" TEMPLATE shop`);
    const holder = new pg.Client(this.connection(name));
    holder.on('error', () => {});
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE pg_catalog.pg_publication IN ACCESS EXCLUSIVE MODE');
    return { letGo: () => holder.end() };
  }

  /** Throws while no pg_dump of a database waits for what `heldCopy` holds. */
  async dumpWaits(database: string): Promise<void> {
    const waiting = `query LIKE '%pg_publication%' AND wait_event_type = 'Lock' AND datname = '${database}'`;
    const found = await this.query(`SELECT FROM pg_stat_activity WHERE ${waiting}`);
    if (found.length === 0) throw new Error(`no pg_dump of ${database} waits`);
  }

  /** Jobs and pods of tasks that are there, by name. */
  async tasksLeft(): Promise<string[]> {
    const found = await this.kubectl(['get', 'jobs,pods', '-l', 'app.kubernetes.io/managed-by=backstay', '-o', 'name']);
    return found.split('\n').filter(Boolean);
  }

  /** Every Job that ever made a pod here, once for each pod: what the job controller says in its events. */
  async jobsThatRan(): Promise<string[]> {
    const filter = 'reason=SuccessfulCreate,involvedObject.kind=Job';
    const { items } = JSON.parse(await this.kubectl(['get', 'events', '--field-selector', filter, '-o', 'json'])) as {
      items: { involvedObject: { name: string } }[];
    };
    return items.map(({ involvedObject }) => involvedObject.name).sort();
  }

  /** Waits until a schedule has made the first run, and answers its name. */
  async firstRun(): Promise<string> {
    return eventually(
      async () => {
        const [first] = await this.list('BackupRun');
        if (first === undefined) throw new Error('the schedule made no run');
        return first.metadata.name;
      },
      90_000,
      300,
    );
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

  /** What is in a secret must be nowhere else: `stop` tells. Names of users and of access keys are no secret. */
  #guard(secret: string, stringData: Record<string, string>): void {
    for (const [key, value] of Object.entries(stringData)) {
      if (key !== 'username' && key !== 'accessKeyId') this.#secrets?.guard(`${secret}/${key}`, value);
    }
  }

  /** A text, such as the log of an operator, in which no secret of this place may be. */
  lookForSecrets(where: string, text: string): void {
    this.#secrets?.lookAt(where, text);
  }

  /**
   * Ends the way in and removes the namespace with all that is in it; `leave` does not wait until it is gone. Throws when
   * a secret was seen where it must not be: in an object, an event, or the log of a pod that is still there.
   */
  async stop(after: 'gone' | 'leave' = 'gone'): Promise<void> {
    this.#forward?.stop();
    if (this.#secrets !== undefined) {
      const pods = await this.kubectl(['get', 'pods', '-o', 'name']);
      for (const pod of pods.split('\n').filter(Boolean)) {
        const log = await this.kubectl(['logs', pod, '--all-containers', '--ignore-errors']).catch(() => '');
        this.lookForSecrets(`log of ${pod}`, log);
      }
    }
    const seen = this.#secrets?.close() ?? [];
    this.#secrets = undefined;
    const wait = after === 'gone' ? '--timeout=120s' : '--wait=false';
    await kubectl(['delete', 'namespace', this.namespace, '--ignore-not-found', wait], { cluster: this.cluster });
    if (seen.length > 0) throw new Error(`a secret was seen in ${seen.join(', ')}`);
  }
}
