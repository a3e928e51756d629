import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { backupTask, owner, s3Secrets, secretsOf, TaskDirectory } from '../../harness/agent-task.ts';
import type { SeenRequest } from '../../harness/s3-fault-proxy.ts';
import { until } from '../../harness/tool-container.ts';
import { BadDay, failureOf, isManifestWrite, isObjectWrite, patient, setOf } from './bad-day.ts';

let day: BadDay;
/** Removed after each test, also after one that failed. */
let leftovers: (() => unknown)[] = [];

beforeAll(async () => {
  day = await BadDay.begin();
});

afterAll(() => day?.end());

beforeEach(() => day.emptyTarget());

afterEach(async () => {
  for (const end of leftovers.reverse()) await end();
  leftovers = [];
});

const manifestsOf = (keys: readonly string[]): string[] => keys.filter((key) => key.endsWith('manifest.json'));

/** The first request that fits waits until the test lets it go; `arrived` says that it is there. */
function holdFirst(fits: (seen: SeenRequest) => boolean): { arrived: () => boolean; letGo: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let arrived = false;
  day.proxy.rule = (seen) => {
    if (arrived || !fits(seen)) return undefined;
    arrived = true;
    return { kind: 'hold', until: promise };
  };
  leftovers.push(() => resolve());
  return { arrived: () => arrived, letGo: () => resolve() };
}

const deadlineMs = Date.now() + 600_000;

describe('an attempt that comes back to life after another one has succeeded', () => {
  it('as it is about to write its manifest: the first manifest stays, and both report it', async () => {
    const { store, prefix } = day.newStore();
    const runUid = randomUUID();
    const held = holdFirst(isManifestWrite);
    const first = day.backup(store, { runUid, deadlineMs }, patient);
    await until('the manifest to be on its way', held.arrived);
    const winner = await day.backup(store, { runUid, deadlineMs }, patient);
    const set = setOf(winner);
    expect(day.proxy.seen.filter(isManifestWrite)).toHaveLength(2);
    held.letGo();
    expect(await first).toEqual(winner);
    expect(manifestsOf(day.keys(prefix))).toEqual([set.manifestKey]);
    expect((await day.restore(store, set)).outcome).toBe('restored');
    await day.expectRestored();
  });

  it("a process that was stopped in mid dump: one manifest, and what it wrote is in nobody's way", async () => {
    const { store, prefix } = day.newStore();
    const runUid = randomUUID();
    const held = holdFirst(isObjectWrite);
    const secrets = secretsOf(day.postgres, s3Secrets);
    const directory = new TaskDirectory({
      task: backupTask(day.postgres, store, { runUid }),
      toolsDir: day.postgres.bin,
      secrets,
    });
    leftovers.push(() => directory.remove());
    const agent = spawn(process.execPath, ['src/main.ts', 'agent', '--root', directory.tool.root], {
      cwd: join(import.meta.dirname, '../../..'),
      stdio: 'ignore',
    });
    const gone = new Promise<number | null>((resolve) => agent.once('exit', (code) => resolve(code)));
    leftovers.push(() => agent.kill('SIGKILL'));
    await until('the first object to be on its way', held.arrived);
    agent.kill('SIGSTOP');
    held.letGo();

    const winner = await day.backup(store, { runUid, deadlineMs }, patient);
    const set = setOf(winner);
    expect(directory.report()).toBeUndefined();
    agent.kill('SIGCONT');
    expect(await gone).toBe(0);
    expect(directory.report()).toEqual(winner);
    expect(manifestsOf(day.keys(prefix))).toEqual([set.manifestKey]);
    expect((await day.restore(store, set)).outcome).toBe('restored');
    await day.expectRestored();
  });
});

describe('a repository that another cluster takes over during a backup', () => {
  it('is ReadOnly from then on: no manifest, and the objects are removed again', async () => {
    const { store, prefix } = day.newStore();
    const held = holdFirst(isObjectWrite);
    const running = day.backup(store, { deadlineMs }, patient);
    await until('an object to be on its way', held.arrived);
    const other = { ...owner, clusterId: 'home-2' };
    const set = setOf(await day.backup(store, { owner: other, takeover: true, deadlineMs }, patient));
    held.letGo();
    const found = failureOf(await running);
    expect(found.reason).toBe('ReadOnly');
    expect(found.message).toContain('home-2');
    expect(manifestsOf(day.keys(prefix))).toEqual([set.manifestKey]);
    const sets = day.keys(prefix).filter((key) => key.includes('/sets/'));
    expect(sets.filter((key) => !key.includes(set.runUid))).toEqual([]);
  });
});
