import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layout } from '../src/contract/layout.ts';
import { decodeReport, type Report } from '../src/contract/report.ts';
import type { Task } from '../src/contract/task.ts';
import { toolLoop } from '../src/contract/tool-loop.ts';

export interface AgentRun {
  seconds: number;
  /** From the start of the process to the first step, and each step to the next. */
  stepSeconds: Record<string, number>;
  /** The most that the agent's process ever had in memory. */
  peakRssBytes: number;
  /** Processor time of the agent alone, all its threads. */
  cpuSeconds: number;
  report: Report;
}

/** One task as a pod runs it: the agent in a process of its own, the tool loop beside it. Throws when the task failed. */
export async function runAgentTask(
  task: Task,
  secrets: Record<string, Record<string, string>>,
  toolsDirectory: string,
): Promise<AgentRun> {
  const root = mkdtempSync(join(tmpdir(), 'backstay-bench-task-'));
  const loop = { process: undefined as ReturnType<typeof spawn> | undefined };
  try {
    for (const directory of [layout.work, layout.private]) mkdirSync(join(root, directory), { mode: 0o770 });
    for (const [mount, keys] of Object.entries(secrets)) {
      mkdirSync(join(root, layout.secrets, mount), { recursive: true });
      for (const [key, value] of Object.entries(keys)) {
        writeFileSync(join(root, layout.secrets, mount, key), value, { mode: 0o600 });
      }
    }
    writeFileSync(join(root, layout.task), JSON.stringify(task));
    const startedMs = performance.now();
    const startedAtMs = Date.now();
    loop.process = spawn('sh', ['-c', toolLoop, 'tool-loop', join(root, layout.work)], {
      stdio: 'ignore',
      env: { ...process.env, PATH: `${toolsDirectory}:${process.env['PATH']}` },
    });
    const agent = spawn(process.execPath, ['src/main.ts', 'agent', '--root', root], {
      stdio: ['ignore', 'ignore', 'pipe'],
      // As the image and the standalone runner set it.
      env: { ...process.env, MALLOC_ARENA_MAX: '2' },
    });
    let said = '';
    agent.stderr.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
    const gone = new Promise((resolve) => agent.once('close', resolve));
    let peakRssBytes = 0;
    let cpuSeconds = 0;
    const sample = setInterval(() => {
      peakRssBytes = Math.max(peakRssBytes, highWaterMark(agent.pid ?? 0));
      cpuSeconds = Math.max(cpuSeconds, processorSeconds(agent.pid ?? 0));
    }, 50);
    await gone;
    clearInterval(sample);
    const seconds = (performance.now() - startedMs) / 1000;
    const report = decodeReport(readFileSync(join(root, layout.report), 'utf8'));
    if (report === undefined || report.outcome === 'failed')
      throw new Error(`the task failed: ${JSON.stringify(report)}\n${said}`);
    return {
      seconds,
      stepSeconds: stepsIn(said, startedAtMs, startedAtMs + seconds * 1000),
      peakRssBytes,
      cpuSeconds,
      report,
    };
  } finally {
    loop.process?.kill('SIGTERM');
    rmSync(root, { recursive: true, force: true });
  }
}

function stepsIn(log: string, startedAtMs: number, endedAtMs: number): Record<string, number> {
  const steps = log
    .split('\n')
    .filter((line) => line.includes('"step":'))
    .map((line) => JSON.parse(line) as { step: string; time: string });
  const times = [...steps.map(({ time }) => Date.parse(time)), endedAtMs];
  const seconds = (fromMs: number, toMs = endedAtMs): number => Math.round((toMs - fromMs) / 10) / 100;
  return {
    start: seconds(startedAtMs, times[0]),
    ...Object.fromEntries(steps.map(({ step }, at) => [step, seconds(times[at]!, times[at + 1])])),
  };
}

function highWaterMark(pid: number): number {
  try {
    const kib = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Number(kib ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function processorSeconds(pid: number): number {
  try {
    const [, after = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
    const fields = after.split(' ');
    // Fields 14 and 15 of proc(5), in ticks of a hundredth.
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}
