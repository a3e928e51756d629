import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

const bin = join(import.meta.dirname, '..', '..', '..', 'bin');

export interface Answer {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  answer: Promise<Answer>;
  /** Resolves when what it wrote to stdout and stderr so far fits. */
  until(seen: RegExp): Promise<void>;
}

/** Starts a program of bin/, or one of the PATH, in an environment that names no home and no cluster of this machine. */
export function start(program: string, args: readonly string[], env: Record<string, string> = {}, input = ''): Running {
  const { KUBECONFIG: _kubeconfig, BACKSTAY_HOME: _home, KUBERNETES_SERVICE_HOST: _pod, ...clean } = process.env;
  const child = spawn(program.includes('/') ? program : join(bin, program), args, {
    env: { ...clean, HOME: '/nonexistent', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  let tell = (): void => undefined;
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
      tell();
    });
  }
  child.stdin.on('error', () => undefined).end(input);
  const answer = new Promise<Answer>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...said }));
  });
  const until = (seen: RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      tell = () => {
        if (seen.test(said.stdout + said.stderr)) resolve();
      };
      child.once('close', () => reject(new Error(`it ended before ${seen}: ${said.stdout}${said.stderr}`)));
      tell();
    });
  return { child, answer, until };
}

export const run = (
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
  input = '',
): Promise<Answer> => start(program, args, env, input).answer;

export const binDirectory = bin;
