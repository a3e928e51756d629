import { expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { BackupRunStatus } from '../../../../src/api/backup-run.ts';
import { systemClock } from '../../../../src/base/clock.ts';
import type { ObjectKey } from '../../../../src/cluster/resource.ts';
import type { Observation, Runner, TaskSpec } from '../../../../src/cluster/runner.ts';
import { runControllers } from '../../../../src/operator/operator.ts';
import { defaultTimings } from '../../../../src/operator/timings.ts';
import { eventually } from '../../../harness/eventually.ts';
import { backedUp, policySpec, World } from '../world.ts';

const policyCount = 50;
const limit = 5;

/** Tasks that run until as many run as may, and then end one by one: with fewer at once the test would stand still. */
class CrowdedRunner implements Runner {
  readonly #tasks = new Map<string, { spec: TaskSpec; observation: Observation }>();
  readonly #listeners = new Set<(key: ObjectKey) => void>();
  readonly started: string[] = [];
  mostAtOnce = 0;

  async start(spec: TaskSpec): Promise<void> {
    if (this.#tasks.has(spec.name)) return;
    this.#tasks.set(spec.name, { spec, observation: { state: 'running' } });
    this.started.push(spec.name);
    const running = this.#running();
    this.mostAtOnce = Math.max(this.mostAtOnce, running.length);
    if (this.started.length === policyCount) for (const name of running) this.#end(name);
    // Not at once: one that begins too early must be seen beside the others.
    else if (running.length >= limit) setTimeout(() => this.#end(running[0] ?? ''), 20);
  }

  #running(): string[] {
    return [...this.#tasks].filter(([, { observation }]) => observation.state === 'running').map(([name]) => name);
  }

  #end(name: string): void {
    const task = this.#tasks.get(name);
    if (task === undefined) return;
    const { owner, namespace } = task.spec;
    task.observation = { state: 'ended', detail: 'exit 0', report: backedUp(owner.uid) };
    for (const listener of this.#listeners) listener({ namespace, name });
  }

  async observe({ name }: ObjectKey): Promise<Observation> {
    return this.#tasks.get(name)?.observation ?? { state: 'absent' };
  }
  async stop(): Promise<void> {}
  async remove({ name }: ObjectKey): Promise<void> {
    this.#tasks.delete(name);
  }
  async watch(onChange: (key: ObjectKey) => void): Promise<void> {
    this.#listeners.add(onChange);
  }
}

it('50 policies due in the same second, 5 at once: each is called when its turn comes, none waits for a look by the clock', async () => {
  const world = new World();
  const { objects } = world;
  const runner = new CrowdedRunner();
  const stop = new AbortController();
  for (let at = 0; at < policyCount; at += 1) {
    const name = `p${at}`;
    const schedules = [{ ...policySpec.schedules[0], cron: '0 0 1 1 *', immediate: true }];
    const spec = { ...policySpec, target: { ...policySpec.target, host: name }, schedules };
    world.create('BackupPolicy', name, spec);
  }
  const never = 24 * 3_600_000;
  const timings = { ...defaultTimings, recheckMs: never, turnMs: never };
  const limits = { runs: limit, runsPerStore: 0 };
  const given = {
    objects,
    runner,
    clock: systemClock,
    log: pino({ level: 'silent' }),
    mode: 'standalone' as const,
    timings,
    limits,
  };
  const operator = runControllers(given, stop.signal);
  try {
    await eventually(async () => {
      const runs = await objects.list('BackupRun');
      const phases = runs.map(({ status }) => (status as BackupRunStatus | undefined)?.phase);
      expect(phases).toEqual(Array.from({ length: policyCount }, () => 'Succeeded'));
    }, 30_000);
  } finally {
    stop.abort();
    await operator;
  }
  expect(new Set(runner.started).size).toBe(policyCount);
  expect(runner.started).toHaveLength(policyCount);
  expect(runner.mostAtOnce).toBe(limit);
});
