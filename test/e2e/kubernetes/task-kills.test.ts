import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { attemptTask } from '../../../src/operator/task-name.ts';
import { chance } from '../../harness/chance.ts';
import { bringUpCluster, type SettledCluster } from '../../harness/cluster/cluster.ts';
import { killContainer, killInContainer, startProgram, stopProgram } from '../../harness/cluster/faults.ts';
import { kubectl } from '../../harness/cluster/kubectl.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { installOperator, operatorPod, operatorReady } from '../../harness/kubernetes-operator.ts';
import { Playground } from '../../harness/kubernetes-shop.ts';
import { makeShop } from '../../harness/shop.ts';
import type { EndedObject } from '../../harness/standalone.ts';

// The first run on a machine builds Kubernetes from source.
const coldMs = 30 * 60_000;
const patienceMs = 180_000;

let cluster: SettledCluster;

beforeAll(async () => {
  cluster = await bringUpCluster({ tell: tellOnStderr });
  await installOperator(cluster);
}, coldMs);

interface Accident {
  name: string;
  /** What happens to the pod of an attempt while pg_dump works in it. */
  strike(pod: { namespace: string; pod: string }): Promise<unknown>;
  /** How many attempts it happens to. */
  times: 1 | 2;
  outcomes: string[];
}

const accidents: Accident[] = [
  {
    name: 'the agent is killed',
    strike: (pod) => killContainer({ ...pod, container: 'agent' }),
    times: 1,
    outcomes: ['AgentLost', 'Succeeded'],
  },
  {
    name: 'the agent is killed twice',
    strike: (pod) => killContainer({ ...pod, container: 'agent' }),
    times: 2,
    outcomes: ['AgentLost', 'AgentLost'],
  },
  {
    name: 'the tool container is killed',
    strike: (pod) => killContainer({ ...pod, container: 'tool' }),
    times: 1,
    outcomes: ['ToolLost', 'Succeeded'],
  },
  {
    name: 'pg_dump is killed',
    strike: (pod) => killInContainer({ ...pod, container: 'tool' }, 'pg_dump'),
    times: 1,
    outcomes: ['ToolLost', 'Succeeded'],
  },
  {
    name: 'the pod is deleted',
    strike: ({ namespace, pod }) => kubectl(['-n', namespace, 'delete', 'pod', pod, '--wait=false'], { cluster }),
    times: 1,
    outcomes: ['AgentLost', 'Succeeded'],
  },
];

describe('a backup in the middle of its dump', () => {
  let shop: Playground;
  const ends = new Map<string, Promise<EndedObject>>();

  beforeAll(async () => {
    if (cluster.way !== 'one machine') return;
    shop = new Playground(cluster, `accidents-${process.pid}`);
    await shop.start();
    await makeShop(shop);
    // All at once: each waits for its own pods, and the cluster has room for them all.
    for (const accident of accidents) {
      const end = suffer(accident);
      end.catch(() => {});
      ends.set(accident.name, end);
    }
  }, coldMs);

  afterAll(() => shop?.stop('leave'), patienceMs);

  const wordOf = (name: string): string => name.replaceAll(/[^a-z]+/g, '-');

  async function suffer({ name, strike, times }: Accident): Promise<EndedObject> {
    const run = wordOf(name);
    const { letGo } = await shop.heldCopy(run);
    try {
      await shop.backUp(run, { database: run });
      for (let number = 1; number <= times; number += 1) {
        const pod = await eventually(() => shop.runningPod(attemptTask(run, number)), patienceMs, 500);
        await eventually(() => shop.dumpWaits(run), patienceMs, 500);
        await strike({ namespace: shop.namespace, pod });
      }
    } finally {
      await letGo();
    }
    return shop.waitForEnd('BackupRun', run, patienceMs);
  }

  it.each(accidents)(
    'when $name: $outcomes',
    async ({ name, outcomes }) => {
      if (cluster.way !== 'one machine') return;
      const { status } = (await ends.get(name))!;
      const succeeds = outcomes.includes('Succeeded');
      expect(status.attempts).toMatchObject(outcomes.map((outcome, at) => ({ number: at + 1, outcome })));
      expect(status.phase).toBe(succeeds ? 'Succeeded' : 'Failed');
      if (!succeeds) expect(status.failure).toMatchObject({ reason: outcomes.at(-1) });
      expect(await shop.manifests(`own/${wordOf(name)}`)).toHaveLength(succeeds ? 1 : 0);
    },
    patienceMs,
  );

  it(
    'is over when its run is deleted: its pod ends, and nothing is in the store',
    async () => {
      if (cluster.way !== 'one machine') return;
      const { letGo } = await shop.heldCopy('deleted');
      try {
        await shop.backUp('deleted', { database: 'deleted' });
        await eventually(() => shop.dumpWaits('deleted'), patienceMs, 500);
        await shop.kubectl(['delete', 'backuprun', 'deleted', '--timeout=60s']);
        expect((await shop.tasksLeft()).filter((name) => name.includes('/deleted-'))).toEqual([]);
        expect(await shop.manifests('own/deleted')).toEqual([]);
      } finally {
        await letGo();
      }
    },
    patienceMs,
  );

  it(
    'leaves no Job, no pod and no session on the server',
    () =>
      eventually(
        async () => {
          if (cluster.way !== 'one machine') return;
          expect(await shop.tasksLeft()).toEqual([]);
          expect(await shop.query(`SELECT FROM pg_stat_activity WHERE usename = 'backstay_backup'`)).toEqual([]);
        },
        60_000,
        500,
      ),
    90_000,
  );
});

describe('backups in a storm', () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  let shop: Playground;

  beforeAll(async () => {
    if (cluster.way !== 'one machine') return;
    shop = new Playground(cluster, `storm-${process.pid}`);
    await shop.start();
    await makeShop(shop);
  }, coldMs);

  afterAll(async () => {
    await shop?.stop('leave');
    await operatorReady(cluster);
  }, patienceMs);

  /** KILL, and then the pod goes: the container alone would be started again later and later. */
  async function killOperator(): Promise<void> {
    const { namespace, pod } = await operatorPod(cluster);
    await killContainer({ namespace, pod, container: 'operator' });
    await kubectl(['-n', namespace, 'delete', 'pod', pod, '--force', '--grace-period=0'], { cluster });
  }

  async function killKubelet(downMs: number): Promise<void> {
    await stopProgram('kubelet');
    await new Promise((resolve) => setTimeout(resolve, downMs));
    startProgram('kubelet');
  }

  async function killTask(run: string, how: 'agent' | 'tool' | 'pod'): Promise<void> {
    const pod = await shop.runningPod(attemptTask(run, 1));
    if (how === 'pod') await shop.kubectl(['delete', 'pod', pod, '--wait=false']);
    else await killContainer({ namespace: shop.namespace, pod, container: how });
  }

  it.each([20_261])(
    'seed %i: each ends with one manifest, whoever was killed of operator, kubelet, agent, tool and pod',
    async (seed) => {
      if (cluster.way !== 'one machine') return;
      const random = chance(seed);
      const below = (limit: number): number => Math.floor(random() * limit);
      // A run has two attempts: each loses one.
      const kills = names.map((name) => {
        const how = (['agent', 'tool', 'pod'] as const)[below(3)]!;
        return { what: `${how} of ${name}`, kill: () => killTask(name, how) };
      });
      for (let more = 0; more < 7; more += 1) {
        const downMs = below(2_000);
        const kill =
          random() < 0.6
            ? { what: 'operator', kill: killOperator }
            : { what: 'kubelet', kill: () => killKubelet(downMs) };
        kills.splice(below(kills.length + 1), 0, kill);
      }
      const held = [];
      for (const name of names) held.push(await shop.heldCopy(name));
      for (const name of names) await shop.backUp(name, { database: name });
      const story: string[] = [];
      for (const { what, kill } of kills) {
        await new Promise((resolve) => setTimeout(resolve, below(1_500)));
        // What is to be killed may not be there yet, or again.
        await eventually(kill, patienceMs, 300);
        story.push(what);
      }
      for (const { letGo } of held) await letGo();
      for (const name of names) {
        const { status } = await shop.waitForEnd('BackupRun', name, patienceMs);
        expect({ name, story, phase: status.phase, failure: status.failure }).toMatchObject({ phase: 'Succeeded' });
        expect(await shop.manifests(`own/${name}`)).toHaveLength(1);
      }
      await eventually(async () => expect(await shop.tasksLeft()).toEqual([]), 60_000, 500);
      const jobs = await shop.jobsThatRan();
      expect(jobs).toEqual([...new Set(jobs)]);
    },
    2 * patienceMs,
  );
});
