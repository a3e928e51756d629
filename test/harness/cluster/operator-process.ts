import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageName } from './backstay-image.ts';
import { checkoutDir } from './paths.ts';

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
  readonly #directory = mkdtempSync(join(tmpdir(), 'backstay-operator-'));

  constructor(kubeconfigPath: string, host: string, settings: object = {}) {
    const config = join(this.#directory, 'config.yaml');
    const all = { image: imageName, http: { port: 0 }, ...settings };
    // JSON is YAML, too.
    writeFileSync(config, JSON.stringify(all));
    const args = ['src/main.ts', 'operator', '--kubeconfig', kubeconfigPath, '--config', config];
    this.#child = spawn(process.execPath, args, {
      cwd: checkoutDir,
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
        rmSync(this.#directory, { recursive: true, force: true });
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
