import { spawn } from 'node:child_process';

export interface RunOptions {
  cwd?: string;
  /** Added to the environment of this process. */
  env?: Record<string, string>;
  input?: string;
  /** The program and what it started is killed after this time. */
  timeoutMs?: number;
}

/**
 * Runs a program to its end and answers its stdout. Any exit code but 0 throws, with the command and the last lines of
 * what it said.
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own, so that the limit ends its children too.
      detached: options.timeoutMs !== undefined,
    });
    const limit =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'), options.timeoutMs);
    let stdout = '';
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      said = (said + text).slice(-4000);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4000);
    });
    // A program that does not read its stdin to the end is no error of its own: the exit code tells.
    child.stdin.on('error', () => undefined).end(options.input ?? '');
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      if (code === 0) resolve(stdout);
      else reject(new Error(`${[command, ...args].join(' ')} ended with ${signal ?? code}:\n${said}`));
    });
  });
}

/** Whether the program runs at all and answers with 0. */
export async function succeeds(command: string, args: readonly string[], options: RunOptions = {}): Promise<boolean> {
  try {
    await run(command, args, options);
    return true;
  } catch {
    return false;
  }
}
