import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheDir } from './cluster/paths.ts';
import { eventually } from './eventually.ts';
import type { Stop } from './stop-at.ts';

/** Places where processes of Backstay die or stand still; `stop-at.ts` is the other side. */
export class Stops {
  /** How far the clocks of these processes are ahead of ours. */
  aheadMs = 0;
  readonly #directory = mkdtempSync(join(tmpdir(), 'backstay-stops-'));
  #count = 0;

  /** Options of node, for the program and all that it starts. */
  get nodeOptions(): string[] {
    const program = new URL('./stop-at.ts', import.meta.url);
    program.searchParams.set('directory', this.#directory);
    program.searchParams.set('cache', join(cacheDir, 'compiled'));
    program.searchParams.set('ahead', String(this.aheadMs));
    return ['--import', program.href];
  }

  /** The first process that logs a line with all of `words` dies there, or stands still until it is let go. */
  set(words: readonly string[], then: Stop['then']): { reached(): Promise<void>; letGo(): void } {
    this.#count += 1;
    const reached = join(this.#directory, `${this.#count}.reached`);
    const draft = join(this.#directory, `${this.#count}.new`);
    writeFileSync(draft, JSON.stringify({ words, then }));
    renameSync(draft, join(this.#directory, `${this.#count}.stop`));
    return {
      reached: () =>
        eventually(() => {
          if (!existsSync(reached)) throw new Error(`nobody has logged ${words.join(' and ')}`);
        }, 150_000),
      letGo: () => rmSync(reached, { force: true }),
    };
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
