import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import { openHome } from '../../../src/cluster/standalone/home.ts';
import { processesOf, signal } from '../../../src/cluster/standalone/processes.ts';
import { eventually } from '../../harness/eventually.ts';
import { freshRunner, namespace, putSecretFile, runnerOf, taskSpec } from './standalone-runner.ts';

const repository = new URL('../../..', import.meta.url).pathname;

describe('tasks of a standalone home, when somebody dies', () => {
  let under: Awaited<ReturnType<typeof freshRunner>>;
  const key = { namespace, name: 'task' };
  const root = (): string => join(under.home.tasks, namespace, 'task');
  async function numberIn(file: string): Promise<number> {
    const number = Number.parseInt(await readFile(join(root(), file), 'utf8'), 10);
    if (Number.isNaN(number)) throw new Error(`no number in ${file} yet`);
    return number;
  }
  const claim = async (): Promise<{ pid: number }> => JSON.parse(await readFile(join(root(), 'leader.json'), 'utf8'));
  const mark = async (): Promise<string> => JSON.parse(await readFile(join(root(), 'spec.json'), 'utf8')).mark;

  const living = async (): Promise<number[]> =>
    processesOf({ mark: await mark(), root: root(), leaderPid: (await claim()).pid });

  /** The process of the task whose arguments hold the word. */
  async function pidOf(word: string): Promise<number> {
    for (const pid of await living()) {
      const args = (await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')).split('\0');
      if (args.includes(word) && pid !== (await claim()).pid) return pid;
    }
    throw new Error(`no process with ${word}`);
  }

  const ended = () =>
    eventually(async () => {
      const seen = await under.runner.observe(key);
      expect(seen).toMatchObject({ state: 'ended' });
      return seen;
    });

  async function expectNothingLeft(): Promise<void> {
    // The leader itself says that it is over and then ends.
    await eventually(async () => expect(await living()).toEqual([]), 2_000);
    expect(await readdir(root())).toEqual(expect.not.arrayContaining(['work', 'private']));
  }

  beforeEach(async () => {
    under = await freshRunner();
  });
  afterEach(() => under.cleanup());

  const startTool = async (): Promise<void> => {
    await under.runner.start(under.spec('task', 'tool'));
    await eventually(() => numberIn('tool'));
  };

  it('ends everything when the leader was killed', async () => {
    await startTool();
    process.kill((await claim()).pid, 'SIGKILL');
    expect(await ended()).toEqual({ state: 'ended', detail: 'its processes were killed' });
    await expectNothingLeft();
  });

  it('ends everything when the agent was killed', async () => {
    await startTool();
    process.kill(await pidOf('agent-of-the-test'), 'SIGKILL');
    expect(await ended()).toEqual({ state: 'ended', detail: 'the agent ended with exit code 137' });
    await expectNothingLeft();
  });

  it('ends everything when the tool was killed and the agent noticed', async () => {
    await startTool();
    process.kill(await numberIn('tool'), 'SIGKILL');
    expect(await ended()).toEqual({ state: 'ended', detail: 'the agent ended with exit code 5' });
    await expectNothingLeft();
  });

  it('ends the tool that a killed loop left behind once the agent has ended', async () => {
    await startTool();
    process.kill(await pidOf('tool-loop'), 'SIGKILL');
    await under.runner.stop(key);
    await ended();
    await expectNothingLeft();
  });

  it('kills an agent that does not hear TERM after the grace time', async () => {
    await under.runner.start(under.spec('task', 'stubborn'));
    await eventually(() => readFile(join(root(), 'deaf')));
    await under.runner.stop(key);
    expect(await under.runner.observe(key)).toEqual({ state: 'running' });
    expect(await ended()).toEqual({ state: 'ended', detail: 'stopped on request; its processes were killed' });
    await expectNothingLeft();
  });

  it('leaves a stranger alone who got the number of a leader that died', async () => {
    await under.runner.start(under.spec('task', 'sleeps'));
    await eventually(() => numberIn('sleeper'));
    const stranger = spawn('/bin/sleep', ['600'], { detached: true, stdio: 'ignore' });
    for (const pid of await living()) signal(pid, 'SIGKILL');
    const { pid: _pid, ...rest } = await claim();
    await writeFile(join(root(), 'leader.json'), JSON.stringify({ ...rest, pid: stranger.pid }));
    await ended();
    await under.runner.remove(key);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    stranger.kill('SIGKILL');
  });

  it('survives the death of the process that started it, and is found again', async () => {
    const script = `
      const { runnerOf, taskSpec } = await import('./test/integration/cluster/standalone-runner.ts');
      const { openHome } = await import('./src/cluster/standalone/home.ts');
      const { systemClock } = await import('./src/base/clock.ts');
      const runner = runnerOf(await openHome(process.argv[1], systemClock));
      await runner.start(taskSpec('task', 'sleeps'));
      console.log('started');
      setInterval(() => {}, 1000);
    `;
    const child = await standaloneThatSays('started', script);
    under.spec('task', 'sleeps');
    await eventually(() => numberIn('sleeper'));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    expect(await under.runner.observe(key)).toEqual({ state: 'running' });
    await under.runner.start(taskSpec('task', 'sleeps'));
    expect(await readFile(join(root(), 'runs'), 'utf8')).toBe('run\n');
    await under.runner.stop(key);
    expect(await ended()).toMatchObject({ detail: 'stopped on request; the agent ended with exit code 143' });
    await expectNothingLeft();
  });

  it('runs a task once, however often its starter is killed and starts again', async () => {
    const script = `
      const { runnerOf, taskSpec } = await import('./test/integration/cluster/standalone-runner.ts');
      const { openHome } = await import('./src/cluster/standalone/home.ts');
      const { systemClock } = await import('./src/base/clock.ts');
      const runner = runnerOf(await openHome(process.argv[1], systemClock));
      console.log('ready');
      for (let at = 0; ; at++) await runner.start(taskSpec('task-' + at, 'reports'));
    `;
    const started = async () =>
      (await readdir(join(under.home.tasks, namespace)).catch(() => [])).filter((name) => !name.startsWith('.'));
    for (let round = 0; round < 5; round++) {
      const child = await standaloneThatSays('ready', script);
      // It went past what its forerunners did; from here any moment is a good one to die.
      await eventually(async () => expect((await started()).length).toBeGreaterThan(round * 2 + 1));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 120));
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('close', resolve));
    }
    const names = await started();
    expect(names.length).toBeGreaterThan(9);
    for (const name of names) {
      await under.runner.start(under.spec(name, 'reports'));
      await eventually(async () =>
        expect(await under.runner.observe({ namespace, name })).toMatchObject({
          state: 'ended',
          report: { outcome: 'no-manifest' },
        }),
      );
      expect(await readFile(join(under.home.tasks, namespace, name, 'runs'), 'utf8')).toBe('run\n');
    }
  });

  it('runs a task once when several processes start it at the same moment', async () => {
    // All of them see that the task waits; then all see that it can begin.
    const secrets = [{ mount: 'door', secretName: 'cave', keys: { word: 'word' } }];
    await under.runner.start(under.spec('task', 'reads-secret', { secrets }));
    await under.putSecret('cave', { word: 'sesame' });
    await Promise.all(Array.from({ length: 8 }, () => runnerOf(under.home).observe(key)));
    await ended();
    await eventually(async () => expect(await living()).toEqual([]));
    expect(await readFile(join(root(), 'runs'), 'utf8')).toBe('run\n');
  });

  it('a stop before the beginning keeps the task from ever beginning', async () => {
    const spec = under.spec('task', 'reads-secret', {
      secrets: [{ mount: 'door', secretName: 'cave', keys: { word: 'word' } }],
    });
    await under.runner.start(spec);
    await under.runner.stop(key);
    await under.putSecret('cave', { word: 'sesame' });
    await under.runner.start(spec);
    expect(await under.runner.observe(key)).toEqual({ state: 'ended', detail: 'stopped before it began' });
  });

  it('enforces the deadline of a task that was started before this process', async () => {
    await under.runner.start(under.spec('task', 'sleeps', { runningMs: 300 }));
    const nextHome = await openHome(under.home.directory, systemClock);
    const next = runnerOf(nextHome);
    await eventually(async () =>
      expect(await next.observe(key)).toMatchObject({ state: 'ended', detail: expect.stringContaining('deadline') }),
    );
    nextHome.close();
  });

  it('takes a claim that a power cut left empty for a task that is over', async () => {
    await under.runner.start(
      under.spec('task', 'reports', { secrets: [{ mount: 'door', secretName: 'none', keys: { word: 'word' } }] }),
    );
    await writeFile(join(root(), 'leader.json'), '');
    expect(await under.runner.observe(key)).toEqual({ state: 'ended', detail: 'its processes were killed' });
  });

  it('removes the task whose owner is gone', async () => {
    const gone = runnerOf(under.home, { ownerExists: async () => false });
    await under.runner.start(under.spec('task', 'sleeps'));
    const watching = new AbortController();
    await gone.watch(() => undefined, watching.signal);
    expect(await under.runner.observe(key)).toEqual({ state: 'absent' });
    watching.abort();
  });

  async function standaloneThatSays(word: string, script: string): Promise<ChildProcess> {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, under.home.directory], {
      cwd: repository,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout?.on('data', (text: Buffer) => text.toString().includes(word) && resolve());
      child.once('exit', () => reject(new Error('ended early')));
    });
    return child;
  }
});

describe('what a task of a standalone home may see', () => {
  let under: Awaited<ReturnType<typeof freshRunner>>;
  const mounts = { secrets: [{ mount: 'door', secretName: 'cave', keys: { passphrase: 'word' } }] };

  beforeEach(async () => {
    under = await freshRunner();
  });
  afterEach(() => under.cleanup());

  const waitsFor = async (): Promise<string> => {
    const seen = await under.runner.observe({ namespace, name: 'task' });
    return seen.state === 'starting' ? (seen.waitingFor?.message ?? '') : seen.state;
  };

  it('has an environment without anything of ours', async () => {
    process.env['PGPASSWORD'] = 'hunter2';
    const spec = under.spec('task', 'environment');
    await under.runner.start(spec);
    await eventually(async () => expect(await under.runner.observe(spec)).toMatchObject({ state: 'ended' }));
    delete process.env['PGPASSWORD'];
    const text = await readFile(join(under.home.tasks, namespace, 'task', 'environment'), 'utf8');
    const names = text.split('\n').map((line) => line.split('=')[0]);
    const ours = ['PATH', 'HOME', 'LANG', 'MALLOC_ARENA_MAX', 'BACKSTAY_TASK'];
    expect(new Set(names.filter((name) => name !== '' && name !== '_'))).toEqual(
      new Set([...ours, 'PWD', 'OLDPWD'].filter((name) => names.includes(name))),
    );
    expect(text).not.toContain('hunter2');
  });

  it.each([0o640, 0o604, 0o660])('waits for a secret file of mode %o to be closed, and says how', async (mode) => {
    await under.putSecret('cave', { passphrase: 'sesame' });
    const file = join(under.home.secrets, namespace, 'cave', 'passphrase');
    await chmod(file, mode);
    await under.runner.start(under.spec('task', 'reads-secret', mounts));
    expect(await waitsFor()).toContain(`chmod 600 ${file}`);
  });

  it('waits when the secret is not a regular file', async () => {
    const directory = join(under.home.secrets, namespace, 'cave');
    await mkdir(join(directory, 'passphrase'), { recursive: true });
    await under.runner.start(under.spec('task', 'reads-secret', mounts));
    expect(await waitsFor()).toContain('is not a regular file');
  });

  it('waits when the secret leads to nowhere', async () => {
    await putSecretFile(under.home, 'cave', { other: 'x' });
    await symlink('/nowhere/at/all', join(under.home.secrets, namespace, 'cave', 'passphrase'));
    await under.runner.start(under.spec('task', 'reads-secret', mounts));
    expect(await waitsFor()).toContain('there is no file');
  });

  it.each(['../../etc', 'a/b', '..', ''])('refuses a secret with the name %j', async (secretName) => {
    const secrets = [{ mount: 'door', secretName, keys: { a: 'a' } }];
    await expect(under.runner.start(taskSpec('task', 'reports', { secrets }))).rejects.toMatchObject({
      reason: 'SpecInvalid',
    });
  });

  it('refuses an image and a volume by name', async () => {
    const image = taskSpec('task', 'reports', { tool: { image: 'postgres:18' } });
    await expect(under.runner.start(image)).rejects.toMatchObject({
      reason: 'NotSupportedHere',
      message: expect.stringContaining('tool.image'),
    });
    const volume = taskSpec('task', 'reports', { volumes: [{ claimName: 'backups', path: '/backups' }] });
    await expect(under.runner.start(volume)).rejects.toMatchObject({
      reason: 'NotSupportedHere',
      message: expect.stringContaining('backups'),
    });
    expect(await under.runner.observe(image)).toEqual({ state: 'absent' });
  });
});
