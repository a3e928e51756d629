import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Fault } from '../../../src/base/fault.ts';
import { faultOf } from '../../harness/fault-of.ts';
import { collect, isRunning, pidsOf, ToolContainer, until } from '../../harness/tool-container.ts';

const containers: ToolContainer[] = [];
const container = (): ToolContainer => {
  const made = new ToolContainer();
  containers.push(made);
  return made;
};

afterEach(async () => {
  for (const made of containers.splice(0)) await made.remove();
});

const never = new AbortController().signal;
/** A number that no other process has in its command line. */
const mark = (): string => `9${process.pid}${Math.floor(Math.random() * 1e6)}`;

describe('a step', () => {
  it('gives every byte that the tool writes, and leaves nothing behind', async () => {
    const tool = container().start();
    const { steps } = await tool.open();
    const bytes = await collect(steps.read(['head', '-c', '3000001', '/dev/zero'], { signal: never }));
    expect(bytes.length).toBe(3_000_001);
    expect(tool.leftovers()).toEqual(['boot', 'control']);
  });

  it('gives the tool every byte of its input', async () => {
    const { steps } = await container().start().open();
    async function* input(): AsyncGenerator<Uint8Array> {
      for (let count = 0; count < 50; count += 1) yield Buffer.alloc(100_003, count);
    }
    const { stdout } = await steps.write(['wc', '-c'], input(), { signal: never });
    expect(Number(stdout)).toBe(5_000_150);
  });

  it('fails when the tool exits 1 after good bytes, with its last words', async () => {
    const { steps } = await container().start().open();
    const fault = await faultOf(
      collect(steps.read(['sh', '-c', 'echo good; echo the disk is on fire >&2; exit 1'], { signal: never })),
    );
    expect(fault).toMatchObject({ reason: 'ToolFailed', message: 'sh ended with exit code 1: the disk is on fire' });
  });

  it('is ToolLost when the tool was killed with signal 9 after good bytes', async () => {
    const { steps } = await container().start().open();
    const fault = await faultOf(collect(steps.read(['sh', '-c', 'echo good; kill -9 $$'], { signal: never })));
    expect(fault.reason).toBe('ToolLost');
  });

  it('names a tool that is not there', async () => {
    const { steps } = await container().start().open();
    const fault = await faultOf(steps.run(['no-such-tool'], { signal: never }));
    expect(fault).toMatchObject({ reason: 'ToolMissing' });
    expect(fault.message).toContain('no-such-tool');
  });

  it('keeps only the last lines of a tool that complains without end', async () => {
    const { steps } = await container().start().open();
    const script = 'yes "a line of noise" | head -n 200000 >&2; echo the last word >&2; exit 3';
    const fault = await faultOf(steps.run(['sh', '-c', script], { signal: never }));
    expect(fault.message).toContain('the last word');
    expect(fault.message.length).toBeLessThan(2_000);
  });

  it('keeps only the end of an output that has none', async () => {
    const { steps } = await container().start().open();
    const { stdout } = await steps.run(['sh', '-c', 'head -c 5000000 /dev/zero | tr "\\0" x; printf END'], {
      signal: never,
    });
    expect(stdout.length).toBe(65_536);
    expect(stdout.endsWith('xEND')).toBe(true);
  });

  it('kills the tool when the reader leaves early', async () => {
    const { steps } = await container().start().open();
    const id = mark();
    for await (const _chunk of steps.read(['sh', '-c', `echo x; exec sleep ${id}`], { signal: never })) break;
    expect(isRunning(`sleep ${id}`)).toBe(false);
  });

  it('kills the tool when it is aborted, and gives the reason of that', async () => {
    const { steps } = await container().start().open();
    const id = mark();
    const stop = new AbortController();
    const running = faultOf(steps.run(['sleep', id], { signal: stop.signal }));
    await until('the tool runs', () => isRunning(`sleep ${id}`));
    stop.abort(new Fault('Stopped', 'stopped by the test'));
    expect((await running).reason).toBe('Stopped');
    expect(isRunning(`sleep ${id}`)).toBe(false);
  });

  it('kills a tool that does not listen to TERM', async () => {
    const { steps } = await container().start().open({ killMs: 200 });
    const id = mark();
    const script = `trap '' TERM; echo x; while :; do sleep 0.05; done; : ${id}`;
    for await (const _chunk of steps.read(['sh', '-c', script], { signal: never })) break;
    expect(isRunning(id)).toBe(false);
  });

  it('never shows the tool an end of an input that failed', async () => {
    const tool = container().start();
    const { steps } = await tool.open();
    const seen = join(tool.root, 'saw-the-end');
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half of it');
      throw new Fault('DataCorrupt', 'cut');
    }
    const fault = await faultOf(
      steps.write(['sh', '-c', 'cat >/dev/null; touch "$1"', 'sh', seen], failing(), { signal: never }),
    );
    expect(fault.reason).toBe('DataCorrupt');
    expect(readdirSync(tool.root)).not.toContain('saw-the-end');
  });

  it('fails when the tool ends well without having read its input', async () => {
    const { steps } = await container().start().open();
    async function* large(): AsyncGenerator<Uint8Array> {
      for (let count = 0; count < 20; count += 1) yield Buffer.alloc(1_000_000);
    }
    const fault = await faultOf(steps.write(['true'], large(), { signal: never }));
    expect(fault.reason).toBe('ToolFailed');
  });

  it('writes a secret that only the tool may read', async () => {
    const { steps } = await container().start().open();
    const path = await steps.writeSecret('pgpass', '*:*:*:*:söcret\n', never);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect((await steps.run(['cat', path], { signal: never })).stdout).toBe('*:*:*:*:söcret\n');
  });

  it('runs several at once', async () => {
    const { steps } = await container().start().open();
    const outputs = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((n) => steps.run(['sh', '-c', `sleep 0.1; echo ${n}`], { signal: never })),
    );
    expect(outputs.map(({ stdout }) => stdout.trim())).toEqual(['1', '2', '3', '4', '5', '6']);
  });
});

describe('the three traps', () => {
  it('a sidecar that was started again is ToolLost, even when the new one says 0', async () => {
    const tool = container().start();
    const { steps } = await tool.open({ watchMs: 60_000, exitMs: 5_000 });
    const id = mark();
    const reading = faultOf(collect(steps.read(['sh', '-c', `echo x; exec sleep ${id}`], { signal: never })));
    await until('the tool runs', () => isRunning(`sleep ${id}`));
    for (const pid of [...pidsOf(toolLoopOf(tool)), ...pidsOf(`sleep ${id}`)]) process.kill(pid, 'SIGKILL');
    tool.start();
    await until('the second boot', () => readFileSync(join(tool.workDir, 'boot'), 'utf8') === '2\n');
    writeFileSync(join(tool.workDir, 'step-1', 'exit'), '2 0\n');
    expect(await reading).toMatchObject({
      reason: 'ToolLost',
      message: 'the tool container was restarted while sh ran',
    });
  });

  it('an end of the output without an exit file is ToolLost', async () => {
    const tool = container().start();
    const { steps } = await tool.open({ watchMs: 60_000, exitMs: 300 });
    const id = mark();
    const reading = faultOf(collect(steps.read(['sh', '-c', `echo x; exec sleep ${id}`], { signal: never })));
    await until('the tool runs', () => isRunning(`sleep ${id}`));
    // As the kernel does to a container that is out of memory: nobody is left to write the exit file.
    tool.loop.kill('SIGKILL');
    for (const pid of pidsOf(toolLoopOf(tool))) process.kill(pid, 'SIGKILL');
    for (const pid of pidsOf(id)) process.kill(pid, 'SIGKILL');
    const fault = await reading;
    expect(fault).toMatchObject({ reason: 'ToolLost', message: 'sh ended its output and left no exit status' });
  });

  it('a loop that is gone is noticed while the tool is silent', async () => {
    const tool = container().start();
    const { steps } = await tool.open();
    const id = mark();
    const running = faultOf(steps.run(['sleep', id], { signal: never }));
    await until('the tool runs', () => isRunning(`sleep ${id}`));
    tool.loop.kill('SIGKILL');
    for (const pid of pidsOf(toolLoopOf(tool))) process.kill(pid, 'SIGKILL');
    expect((await running).reason).toBe('ToolLost');
    for (const pid of pidsOf(`sleep ${id}`)) process.kill(pid, 'SIGKILL');
  });

  it('an agent that lets go while a step begins leaves no tool behind', async () => {
    for (let round = 0; round < 6; round += 1) {
      const tool = container().start();
      const { steps, work } = await tool.open();
      const id = mark();
      const step = faultOf(steps.run(['sleep', id], { signal: never }));
      // As early as can be: between the tool's start and the agent's last step of beginning it.
      while (!existsSync(join(tool.workDir, 'step-1', 'pid'))) await new Promise(setImmediate);
      await work.close();
      expect((await step).reason).toBe('ToolLost');
      await until('the tool is gone', () => !isRunning(`sleep ${id}`), 3_000);
    }
  });

  it('a tool container that never comes is named', async () => {
    const fault = await faultOf(container().open({ startMs: 100 }));
    expect(fault.reason).toBe('StartDeadlineExceeded');
  });

  it('a loop that came and died before the agent opened its end is ToolLost, and not waited for as if it were to come', async () => {
    const tool = container().start();
    await until('the boot number', () => tool.leftovers().includes('boot'));
    await tool.end('SIGKILL');
    const fault = await faultOf(tool.open({ startMs: 60_000, answerMs: 100 }));
    expect(fault).toMatchObject({ reason: 'ToolLost', message: 'the tool container came and is gone' });
  });

  it('a loop that died before its first step is noticed at once', async () => {
    const tool = container().start();
    const { steps } = await tool.open({ startMs: 60_000 });
    await tool.end('SIGKILL');
    const fault = await faultOf(steps.run(['true'], { signal: never }));
    expect(fault).toMatchObject({ reason: 'ToolLost', message: 'the tool container ended' });
  });

  it('a loop that does not begin a step is ToolLost', async () => {
    const tool = container().start();
    const { steps, work } = await tool.open({ startMs: 300, watchMs: 60_000 });
    tool.loop.kill('SIGSTOP');
    const fault = await faultOf(steps.run(['true'], { signal: never }));
    tool.loop.kill('SIGCONT');
    expect(fault.reason).toBe('ToolLost');
    await work.close();
  });
});

function toolLoopOf(tool: ToolContainer): string {
  return `tool-loop ${tool.workDir}`;
}
