import { expect } from '@jest/globals';
import { pino } from 'pino';
import { backupGrantStatus } from '../../../src/api/backup-grant.ts';
import { backupPolicyStatus } from '../../../src/api/backup-policy.ts';
import { backupRunStatus } from '../../../src/api/backup-run.ts';
import { conditionTypes, type StateFacts, stateReasons } from '../../../src/api/conditions.ts';
import type { Mode } from '../../../src/api/mode.ts';
import { apiVersion } from '../../../src/api/names.ts';
import { restoreRequestStatus } from '../../../src/api/restore-request.ts';
import { timestamp } from '../../../src/base/clock.ts';
import { isReason } from '../../../src/base/reasons.ts';
import { conditionsIn } from '../../../src/cluster/conditions.ts';
import type { Reconciler } from '../../../src/cluster/controller.ts';
import { type ObjectChange, type ObjectEvent, type Objects, ObjectsError } from '../../../src/cluster/objects.ts';
import type { Outcome } from '../../../src/cluster/outcome.ts';
import { type Draft, type Kind, type ObjectKey, policyNameOf, type Resource } from '../../../src/cluster/resource.ts';
import type { Observation, Runner, TaskSpec } from '../../../src/cluster/runner.ts';
import { writeStatus } from '../../../src/cluster/status.ts';
import type { Workloads } from '../../../src/cluster/workloads.ts';
import type { Report } from '../../../src/contract/report.ts';
import { createGrantReconciler } from '../../../src/operator/backup-grant/reconcile.ts';
import { createPolicyReconciler } from '../../../src/operator/backup-policy/reconcile.ts';
import { createRunReconciler } from '../../../src/operator/backup-run/reconcile.ts';
import { createRequestReconciler } from '../../../src/operator/restore-request/reconcile.ts';
import { defaultTimings } from '../../../src/operator/timings.ts';
import { defaultLimits } from '../../../src/operator/turn/limits.ts';
import type { Limits } from '../../../src/operator/turn/line.ts';
import { createTurns } from '../../../src/operator/turn/turns.ts';
import { FakeClock } from '../../harness/fake-clock.ts';

const statusSchemas = {
  BackupPolicy: backupPolicyStatus,
  BackupRun: backupRunStatus,
  RestoreRequest: restoreRequestStatus,
  BackupGrant: backupGrantStatus,
};

/** Thrown where the operator is killed: at a call of a port, before or after its effect. */
export class Killed extends Error {}

/**
 * The two ports in memory, for the decisions of the reconcilers; the real ones are tested elsewhere. What an operator
 * keeps in its own memory does not exist here: every visit makes new reconcilers, as after a restart.
 */
export class World {
  readonly clock = new FakeClock(Date.parse('2026-03-01T12:00:00Z'));
  readonly stored = new Map<string, Resource>();
  readonly tasks = new Map<string, { spec: TaskSpec; observation: Observation; stopped: boolean }>();
  readonly events: ObjectEvent[] = [];
  /** Every start that had an effect. */
  readonly started: string[] = [];
  /** Calls of the ports so far, and the one at which the operator is killed. */
  calls = 0;
  killAt: { call: number; when: 'before' | 'after' } | undefined;
  readonly mode: Mode;
  /** What the workload runs, or why that is not known. Kubernetes only. */
  runningImage: () => string = () => 'postgres@sha256:1';
  allowedImages: string[] = [];
  namespaces: string[] = [];
  limits: Limits = defaultLimits;
  readonly #listeners = new Set<(change: ObjectChange) => void>();
  #version = 0;

  constructor(mode: Mode = 'standalone') {
    this.mode = mode;
  }

  create(kind: Kind, name: string, spec: unknown, more: Partial<Resource['metadata']> = {}): Resource {
    return this.#store({
      apiVersion,
      kind,
      metadata: {
        name,
        namespace: 'prod',
        uid: `uid-of-${name}`,
        resourceVersion: '',
        generation: 1,
        creationTimestamp: timestamp(this.clock.nowMs()),
        ...more,
      },
      spec,
    });
  }

  read(kind: Kind, name: string, namespace = 'prod'): Resource | undefined {
    return this.stored.get(wordOf(kind, { namespace, name }));
  }

  status<Status>(kind: Kind, name: string): Status {
    return (this.read(kind, name)?.status ?? {}) as Status;
  }

  /** One visit, as the controller makes it. The outcome, or undefined when the operator was killed in it or there is no object. */
  async visit(kind: Kind, name: string): Promise<Outcome | undefined> {
    try {
      const object = await this.objects.get(kind, { namespace: 'prod', name });
      if (object === undefined) return undefined;
      const nowMs = this.clock.nowMs();
      const { written = object, ...result } = await this.#reconciler(kind).reconcile(object, {
        signal: new AbortController().signal,
        nowMs,
      });
      // Whatever a step would answer to it: the dead write nothing.
      if (result.outcome.kind === 'failed' && result.outcome.error instanceof Killed) return undefined;
      await writeStatus(this.objects, this.clock, written, result);
      return result.outcome;
    } catch (error) {
      if (error instanceof Killed) return undefined;
      throw error;
    }
  }

  /** Visits until the outcome asks for no other visit at once. */
  async settle(kind: Kind, name: string): Promise<Outcome | undefined> {
    for (let visits = 0; visits < 50; visits += 1) {
      const outcome = await this.visit(kind, name);
      const againMs =
        outcome?.kind === 'after' || outcome?.kind === 'waiting'
          ? outcome.ms
          : (outcome as { againMs?: number })?.againMs;
      if (againMs !== 0) return outcome;
    }
    throw new Error('the visits do not end');
  }

  /** What the task does next. */
  set(task: string, observation: Observation): void {
    const entry = this.tasks.get(task);
    if (entry === undefined) throw new Error(`no task ${task}`);
    entry.observation = observation;
  }

  end(task: string, report?: Report): void {
    this.set(task, { state: 'ended', detail: 'exit 0', ...(report !== undefined && { report }) });
  }

  markDeleted(kind: Kind, name: string): void {
    const object = this.read(kind, name);
    if (object === undefined) return;
    this.#store({ ...object, metadata: { ...object.metadata, deletionTimestamp: timestamp(this.clock.nowMs()) } });
  }

  #reconciler(kind: Kind): Reconciler {
    const { objects, runner, mode, allowedImages } = this;
    const workloads: Workloads = { runningImage: () => this.#call(() => this.runningImage()) };
    const images = { mode, workloads, allowedImages };
    const log = pino({ level: 'silent' });
    const timings = defaultTimings;
    const turns = createTurns({ objects, mode, limits: this.limits, timings });
    if (kind === 'BackupPolicy') return createPolicyReconciler({ objects, mode, log });
    if (kind === 'BackupRun')
      return createRunReconciler({ objects, runner, ...images, timings, log, clusterId: 'here', turns });
    if (kind === 'BackupGrant') return createGrantReconciler();
    return createRequestReconciler({ objects, runner, ...images, timings, log, namespaces: this.namespaces, turns });
  }

  #store(object: Resource): Resource {
    this.#version += 1;
    const made = copy({ ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } });
    const { deletionTimestamp, finalizers = [] } = made.metadata;
    const key = wordOf(made.kind, made.metadata);
    const isGone = deletionTimestamp !== undefined && finalizers.length === 0;
    if (isGone) this.stored.delete(key);
    else this.stored.set(key, made);
    for (const tell of this.#listeners) tell({ type: isGone ? 'gone' : 'present', object: copy(made) });
    return copy(made);
  }

  #replace(object: Resource, change: (now: Resource) => Resource): Resource {
    const now = this.read(object.kind, object.metadata.name, object.metadata.namespace);
    if (now === undefined) throw new ObjectsError('NotFound', 'gone');
    if (now.metadata.resourceVersion !== object.metadata.resourceVersion) throw new ObjectsError('Conflict', 'changed');
    return this.#store(change(now));
  }

  /** Counts the call, and is where the operator dies. */
  async #call<T>(effect: () => T): Promise<T> {
    this.calls += 1;
    const isHere = this.killAt?.call === this.calls;
    if (isHere && this.killAt?.when === 'before') throw new Killed();
    const result = effect();
    if (isHere) throw new Killed();
    return result;
  }

  readonly objects: Objects = {
    clusterId: async () => 'here',
    get: (kind, { name, namespace }) => this.#call(() => copy(this.read(kind, name, namespace))),
    list: (kind, namespace) =>
      this.#call(() =>
        copy(
          [...this.stored.values()].filter(
            (one) => one.kind === kind && (namespace ?? one.metadata.namespace) === one.metadata.namespace,
          ),
        ),
      ),
    listRunsOf: ({ name }) =>
      this.#call(() => copy([...this.stored.values()].filter((one) => policyNameOf(one) === name))),
    isCurrent: async ({ kind, metadata }) =>
      this.read(kind, metadata.name)?.metadata.resourceVersion === metadata.resourceVersion,
    watch: async (kind, onChange, signal) => {
      const tell = (change: ObjectChange): void => {
        if (change.object.kind === kind) onChange(change);
      };
      this.#listeners.add(tell);
      signal.addEventListener('abort', () => this.#listeners.delete(tell), { once: true });
      for (const object of [...this.stored.values()]) tell({ type: 'present', object: copy(object) });
    },
    create: ({ kind, metadata, spec }: Draft) =>
      this.#call(() => {
        if (this.read(kind, metadata.name) !== undefined) throw new ObjectsError('AlreadyExists', metadata.name);
        return this.create(kind, metadata.name, spec, metadata);
      }),
    replaceStatus: (object, status) =>
      this.#call(() => {
        // An API server drops what the schema does not know, and refuses what it knows otherwise.
        expect(statusSchemas[object.kind].parse(status)).toEqual(status);
        expectDocumented(object.kind, status);
        return this.#replace(object, (now) => ({ ...now, status }));
      }),
    replaceFinalizers: (object, finalizers) =>
      this.#call(() => this.#replace(object, (now) => ({ ...now, metadata: { ...now.metadata, finalizers } }))),
    delete: async (kind, { name }) => this.markDeleted(kind, name),
    recordEvent: async (_object, event) => void this.events.push(event),
  };

  readonly runner: Runner = {
    start: (spec) =>
      this.#call(() => {
        if (this.tasks.has(spec.name)) return;
        this.started.push(spec.name);
        this.tasks.set(spec.name, { spec, observation: { state: 'running' }, stopped: false });
      }),
    observe: ({ name }: ObjectKey) =>
      this.#call((): Observation => this.tasks.get(name)?.observation ?? { state: 'absent' }),
    stop: ({ name }) =>
      this.#call(() => {
        const task = this.tasks.get(name);
        if (task !== undefined) task.stopped = true;
      }),
    remove: ({ name }) => this.#call(() => void this.tasks.delete(name)),
    watch: async () => undefined,
  };
}

/** Whatever a test makes a reconciler say stands in docs/spec of that kind, with the status of Ready that is said there. */
function expectDocumented(kind: Kind, status: unknown): void {
  const states: Record<string, StateFacts> = stateReasons[kind];
  for (const { type, reason, ...said } of conditionsIn(status)) {
    expect(Object.keys(conditionTypes)).toContain(type);
    const ready = states[reason]?.ready;
    // A word that is a state and a failure, such as ReadOnly, is documented as both.
    const documented = [ready, ...(isReason(reason) ? ['False'] : [])].filter((one) => one !== undefined);
    expect([reason, documented]).toEqual([reason, expect.arrayContaining(type === 'Ready' ? [said.status] : [])]);
    expect([reason, documented.length > 0]).toEqual([reason, true]);
  }
}

/** Most tests know one namespace only. */
const wordOf = (kind: Kind, { namespace, name }: ObjectKey): string =>
  namespace === 'prod' ? `${kind}/${name}` : `${kind}/${namespace}/${name}`;

// Not structuredClone: inside jest its objects have the prototypes of another realm, and nothing equals them strictly.
const copy = <Value>(value: Value): Value => (value === undefined ? value : JSON.parse(JSON.stringify(value)));

export const policySpec = {
  engine: 'PostgreSQL',
  target: { host: 'db', credentials: { backup: { secretName: 'shop-backup' } }, tls: { mode: 'Disable' } },
  stores: [{ name: 'main', filesystem: { path: '/backups' } }],
  schedules: [{ name: 'nightly', cron: '0 2 * * *', method: 'Dump', dump: { databases: ['shop'] } }],
};

export const runSpec = { policyName: 'shop', method: 'Dump', dump: { databases: ['shop'] } };

export const requestSpec = {
  source: { policyName: 'shop' },
  target: {
    host: 'db',
    database: 'shop',
    credentials: { admin: { secretName: 'shop-admin' } },
    tls: { mode: 'Disable' },
  },
};

export const backedUp = (runUid = 'uid-of-now'): Report => ({
  outcome: 'backed-up',
  set: {
    runUid,
    attempt: 'a1b2',
    lineage: 'pg-1-x',
    manifestKey: 'pg-1-x/sets/1/manifest.json',
    manifestSha256: 'ff',
    consistentAt: '2026-03-01T12:00:30Z',
    position: '0/1',
    plainBytes: 3_000_000,
    storedBytes: 1_000_000,
    objectCount: 1,
    tableCount: 2,
    rowCount: 20_000,
    serverVersion: '18.1',
    toolVersion: '18.1',
  },
});

export const failedWith = (reason: string): Report =>
  ({ outcome: 'failed', reason, message: 'it broke', hint: 'Mend it.' }) as Report;
