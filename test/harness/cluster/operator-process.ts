import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageName } from './backstay-image.ts';
import { checkoutDir } from './paths.ts';

/**
 * Starts `backstay operator` from the checkout. `settings` are those of its configuration file, which goes with the
 * process; the image is the one of the test cluster, and the port any free one: several may run on this machine.
 */
export function spawnOperator(
  target: readonly string[],
  settings: object,
  { nodeOptions = [], ...options }: { nodeOptions?: readonly string[] } & Omit<SpawnOptions, 'cwd'>,
): ChildProcess {
  const directory = mkdtempSync(join(tmpdir(), 'backstay-operator-'));
  const config = join(directory, 'config.yaml');
  // JSON is YAML, too.
  writeFileSync(config, JSON.stringify({ image: imageName, http: { port: 0 }, ...settings }));
  const args = [...nodeOptions, join(checkoutDir, 'src/main.ts'), 'operator', ...target, '--config', config];
  const child = spawn(process.execPath, args, { ...options, cwd: checkoutDir });
  child.once('close', () => rmSync(directory, { recursive: true, force: true }));
  return child;
}

/**
 * `backstay operator` as a process of this machine, against an API server of a test. `host` is what it calls itself in
 * leases and events, `settings` is its configuration file. The caller ends it.
 */
export class OperatorProcess {
  /** Lines of its log, parsed, the oldest first. */
  readonly log: { msg?: string; level?: string | number; [field: string]: unknown }[] = [];
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  #hasEnded = false;
  readonly #child: ChildProcess;

  constructor(kubeconfigPath: string, host: string, settings: object = {}) {
    this.#child = spawnOperator(['--kubeconfig', kubeconfigPath], settings, {
      env: { ...process.env, HOSTNAME: host },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let rest = '';
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.startsWith('{')) this.log.push(JSON.parse(line));
    });
    this.ended = new Promise((resolve) =>
      this.#child.once('close', (code, signal) => {
        this.#hasEnded = true;
        resolve({ code, signal });
      }),
    );
  }

  said(message: string): boolean {
    return this.log.some(({ msg }) => msg === message);
  }

  /** Waits until it logs this; throws when it ends without. */
  async says(message: string, timeoutMs = 60_000): Promise<void> {
    const untilMs = Date.now() + timeoutMs;
    while (!this.said(message)) {
      const why = this.#hasEnded ? 'ended' : Date.now() > untilMs ? 'is late' : undefined;
      if (why !== undefined) throw new Error(`the operator ${why} and did not say "${message}":\n${this.#tail()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  #tail(): string {
    const lines = this.log.slice(-10).map((line) => JSON.stringify(line));
    return lines.join('\n');
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it if it still runs. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}
