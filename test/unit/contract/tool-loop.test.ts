import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Fault } from '../../../src/base/fault.ts';
import { toolLoop } from '../../../src/contract/tool-loop.ts';
import { isRunning, pidsOf, shells, ToolContainer, until } from '../../harness/tool-container.ts';

const never = new AbortController().signal;
let tool: ToolContainer | undefined;

afterEach(async () => {
  await tool?.remove();
  tool = undefined;
});

describe.each(shells.map((shell) => [shell[0]!, shell] as const))('the loop in %s', (_name, shell) => {
  it('counts its boots', async () => {
    tool = new ToolContainer({ shell }).start();
    await tool.open();
    expect(readFileSync(join(tool.workDir, 'boot'), 'utf8')).toBe('1\n');
    await tool.end();
    tool.start();
    await until('the second boot', () => readFileSync(join(tool!.workDir, 'boot'), 'utf8') === '2\n');
  });

  it('ends within a second of TERM, with what it runs', async () => {
    tool = new ToolContainer({ shell }).start();
    const { steps } = await tool.open();
    const id = `8${process.pid}${Date.now() % 1e6}`;
    const running = steps.run(['sleep', id], { signal: never }).catch(() => 'ended');
    await until('the tool runs', () => isRunning(`sleep ${id}`));
    const beforeMs = Date.now();
    expect(await tool.end()).toEqual({ code: 0, signal: null });
    expect(Date.now() - beforeMs).toBeLessThan(2_000);
    expect(isRunning(`sleep ${id}`)).toBe(false);
    expect(await running).toBe('ended');
  });

  it('leaves no tool behind when TERM comes just as it begins one', async () => {
    for (let round = 0; round < 5; round += 1) {
      tool = new ToolContainer({ shell }).start();
      const { steps, work } = await tool.open();
      const id = `6${process.pid}${round}${Date.now() % 1e6}`;
      const running = steps.run(['sleep', id], { signal: never }).catch(() => 'ended');
      await until('the step', () => existsSync(join(tool!.workDir, 'step-1', 'cmd')));
      await tool.end();
      await work.close();
      expect(await running).toBe('ended');
      // Its last subshell writes the exit file still.
      await until('nothing is left', () => !isRunning(`sleep ${id}`) && !isRunning(tool!.workDir), 3_000);
      await tool.remove();
    }
  });

  it('ends on TERM before an agent has come', async () => {
    tool = new ToolContainer({ shell }).start();
    await until('the boot number', () => tool!.leftovers().includes('boot'));
    expect(await tool.end()).toEqual({ code: 0, signal: null });
  });

  it('kills what runs when the agent is gone, and then waits for TERM', async () => {
    tool = new ToolContainer({ shell }).start();
    const { steps, work } = await tool.open();
    const id = `7${process.pid}${Date.now() % 1e6}`;
    steps.run(['sleep', id], { signal: never }).catch(() => {});
    await until('the tool runs', () => isRunning(`sleep ${id}`));
    await work.close();
    await until('the tool is gone', () => !isRunning(`sleep ${id}`));
    expect(tool.loop.exitCode).toBeNull();
    expect(await tool.end()).toEqual({ code: 0, signal: null });
  });

  it('is missed by the agent at once when it alone is killed, and not only when its tool ends', async () => {
    tool = new ToolContainer({ shell }).start();
    const { steps } = await tool.open();
    const id = `6${process.pid}${Date.now() % 1e6}`;
    const step = steps.run(['sleep', id], { signal: never }).catch((thrown: Fault) => thrown.reason);
    await until('the tool runs', () => isRunning(`sleep ${id}`));
    await tool.end('SIGKILL');
    expect(await Promise.race([step, new Promise((resolve) => setTimeout(resolve, 5_000, 'still waiting'))])).toBe(
      'ToolLost',
    );
    for (const pid of pidsOf(`sleep ${id}`)) process.kill(pid, 'SIGKILL');
  });

  it.each(['before an agent has come', 'after the agent is gone'])('ends when its parent has died %s', async (when) => {
    tool = new ToolContainer({ shell });
    const marked = `tool-loop ${tool.workDir}`;
    // The parent is a shell of its own that can be killed; `:` keeps it from becoming the loop.
    const parent = spawn('sh', ['-c', '"$@"; :', 'sh', ...shell, '-c', toolLoop, 'tool-loop', tool.workDir], {
      stdio: 'ignore',
    });
    await until('the boot number', () => tool!.leftovers().includes('boot'));
    if (when !== 'before an agent has come') await (await tool.open()).work.close();
    parent.kill('SIGKILL');
    await until('the loop is gone', () => !isRunning(marked));
  });
});
