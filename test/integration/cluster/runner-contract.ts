import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ObjectKey } from '../../../src/cluster/resource.ts';
import type { Observation, Runner, TaskSpec } from '../../../src/cluster/runner.ts';
import { eventually } from '../../harness/eventually.ts';

/**
 * What the agent of the test does, instead of a backup:
 * - `reports`: writes the report `no-manifest` and ends with 0;
 * - `silent`: ends with 3 and writes no report;
 * - `sleeps`: works on until TERM, then ends without a report;
 * - `reads-secret`: as `reports` when `secrets/door/word` under its root says `sesame`, else as `silent`.
 */
export type Behaviour = 'reports' | 'silent' | 'sleeps' | 'reads-secret';

export interface RunnerUnderTest {
  runner: Runner;
  /** A task for the agent of the test. Nothing of this name was started before. */
  spec(name: string, behaviour: Behaviour, more?: Partial<TaskSpec>): TaskSpec;
  /** Stores the secret, in the namespace that `spec` uses. */
  putSecret(name: string, data: Record<string, string>): Promise<void>;
  /** How long from `start` to the end of a short task, generously. */
  patienceMs: number;
  cleanup(): Promise<void>;
}

export const noManifest = { outcome: 'no-manifest' } as const;

/** What every implementation of `Runner` promises. */
export function runnerContract(name: string, create: () => Promise<RunnerUnderTest>, coldMs = 60_000): void {
  describe(`Runner: ${name}`, () => {
    let under: RunnerUnderTest;
    let runner: Runner;
    let watching: AbortController;
    let count = 0;

    beforeAll(async () => {
      under = await create();
      ({ runner } = under);
    }, coldMs);
    afterAll(() => under?.cleanup());
    beforeEach(() => {
      watching = new AbortController();
    });
    afterEach(() => watching.abort());

    const fresh = (behaviour: Behaviour, more: Partial<TaskSpec> = {}): TaskSpec =>
      under.spec(`task-${++count}`, behaviour, more);

    async function reaches<State extends Observation['state']>(key: ObjectKey, state: State) {
      return eventually(async () => {
        const seen = await runner.observe(key);
        expect(seen).toMatchObject({ state });
        return seen as Extract<Observation, { state: State }>;
      }, under.patienceMs);
    }

    it('knows nothing of a task that was never started', async () => {
      const key = fresh('reports');
      expect(await runner.observe(key)).toEqual({ state: 'absent' });
      await runner.stop(key);
      await runner.remove(key);
      expect(await runner.observe(key)).toEqual({ state: 'absent' });
    });

    it('runs a task and brings its report', async () => {
      const spec = fresh('reports');
      await runner.start(spec);
      expect((await runner.observe(spec)).state).not.toBe('absent');
      expect(await reaches(spec, 'ended')).toMatchObject({ report: noManifest });
    });

    it('says ended without a report when the agent wrote none, and how it ended', async () => {
      const spec = fresh('silent');
      await runner.start(spec);
      const ended = await reaches(spec, 'ended');
      expect(ended.report).toBeUndefined();
      expect(ended.detail).toContain('3');
    });

    it('takes a second start for the first, while it runs and after its end', async () => {
      const spec = fresh('sleeps');
      await runner.start(spec);
      await runner.start(spec);
      await reaches(spec, 'running');
      await runner.start(spec);
      await runner.stop(spec);
      const ended = await reaches(spec, 'ended');
      await runner.start(spec);
      expect(await runner.observe(spec)).toEqual(ended);
    });

    it('starts one task when ten start it at once', async () => {
      const spec = fresh('reports');
      await Promise.all(Array.from({ length: 10 }, () => runner.start(spec)));
      expect(await reaches(spec, 'ended')).toMatchObject({ report: noManifest });
    });

    it('mounts secrets where the task looks for them', async () => {
      await under.putSecret('cave', { passphrase: 'sesame' });
      const spec = fresh('reads-secret', {
        secrets: [{ mount: 'door', secretName: 'cave', keys: { passphrase: 'word' } }],
      });
      await runner.start(spec);
      expect(await reaches(spec, 'ended')).toMatchObject({ report: noManifest });
    });

    it('waits for a secret that is missing, names it, and goes on when it comes', async () => {
      const spec = fresh('reads-secret', {
        secrets: [{ mount: 'door', secretName: 'late-cave', keys: { passphrase: 'word' } }],
      });
      await runner.start(spec);
      const waiting = await eventually(async () => {
        const seen = await runner.observe(spec);
        expect(seen).toMatchObject({ state: 'starting', waitingFor: { reason: 'SecretMissing' } });
        return seen as Extract<Observation, { state: 'starting' }>;
      }, under.patienceMs);
      expect(waiting.waitingFor?.message).toContain('late-cave');
      await under.putSecret('late-cave', { passphrase: 'sesame' });
      expect(await reaches(spec, 'ended')).toMatchObject({ report: noManifest });
    });

    it('names the key that a secret lacks', async () => {
      await under.putSecret('half-cave', { lamp: 'on' });
      const spec = fresh('reads-secret', {
        secrets: [{ mount: 'door', secretName: 'half-cave', keys: { passphrase: 'word' } }],
      });
      await runner.start(spec);
      await eventually(async () => {
        const seen = await runner.observe(spec);
        expect(seen).toMatchObject({ state: 'starting', waitingFor: { reason: 'SecretMissing' } });
        expect(JSON.stringify(seen)).toContain('passphrase');
      }, under.patienceMs);
      await runner.remove(spec);
      await reaches(spec, 'absent');
    });

    it('stops a task, also one that is asked to twice', async () => {
      const spec = fresh('sleeps');
      await runner.start(spec);
      await reaches(spec, 'running');
      await runner.stop(spec);
      await runner.stop(spec);
      expect((await reaches(spec, 'ended')).report).toBeUndefined();
    });

    it('stops a task at its deadline', async () => {
      const spec = fresh('sleeps', { runningMs: 2_000 });
      await runner.start(spec);
      const ended = await reaches(spec, 'ended');
      expect(ended.report).toBeUndefined();
      expect(ended.detail).toMatch(/deadline/i);
    });

    it('removes a task, a running one too, and then it is as if it never was', async () => {
      const spec = fresh('sleeps');
      await runner.start(spec);
      await reaches(spec, 'running');
      await runner.remove(spec);
      await runner.remove(spec);
      await reaches(spec, 'absent');
    });

    it('starts a removed name anew', async () => {
      const spec = fresh('silent');
      await runner.start(spec);
      await reaches(spec, 'ended');
      await runner.remove(spec);
      await reaches(spec, 'absent');
      await runner.start(under.spec(spec.name, 'reports'));
      expect(await reaches(spec, 'ended')).toMatchObject({ report: noManifest });
    });

    it('calls a watcher when a task ends', async () => {
      const spec = fresh('reports');
      const called: string[] = [];
      await runner.watch(({ namespace, name }) => {
        called.push(`${namespace}/${name}`);
      }, watching.signal);
      await runner.start(spec);
      await reaches(spec, 'ended');
      called.splice(0, Math.max(0, called.length - 1));
      await eventually(() => expect(called).toContain(`${spec.namespace}/${spec.name}`), under.patienceMs);
    });
  });
}
