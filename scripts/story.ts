import { writeFileSync } from 'node:fs';
import { comparePortraits, type Portrait } from '../test/harness/portrait.ts';
import type { EndedObject } from '../test/harness/standalone.ts';

/** What `--report FILE` holds. `ok` is true only when nothing differs; a story that broke off has `failure`. */
export interface StoryReport {
  ok: boolean;
  mode: 'standalone' | 'kubernetes';
  tables: Record<string, { rowsBefore: number; rowsAfter: number | null }>;
  brokenForeignKeys: number | null;
  differences: string[];
  bytes: { plain: number; stored: number } | null;
  seconds: Record<string, number>;
  versions: Record<string, string>;
  failure?: string;
}

/** Tells a story step by step, each with its seconds, and keeps what the report needs. */
export class Story {
  readonly report: StoryReport;
  readonly #startedMs = performance.now();

  constructor(mode: StoryReport['mode']) {
    this.report = {
      ok: false,
      mode,
      tables: {},
      brokenForeignKeys: null,
      differences: [],
      bytes: null,
      seconds: {},
      versions: { node: process.versions.node },
    };
  }

  say(line: string): void {
    process.stdout.write(`${line}\n`);
  }

  /** Runs a chapter; `name` is its key in `seconds`. What `work` gives back is told when it is text. */
  async chapter<T>(name: string, title: string, work: () => Promise<T>): Promise<T> {
    const startedMs = performance.now();
    this.say(`\n${title}`);
    const result = await work();
    const seconds = (performance.now() - startedMs) / 1000;
    this.report.seconds[name] = Number(seconds.toFixed(2));
    this.say(`  ${seconds.toFixed(1)} s`);
    return result;
  }

  /** Takes the figures of a backup into the report. Throws when it failed. */
  tellBackup({ status: { phase, failure, set } }: EndedObject, where: string): void {
    if (phase !== 'Succeeded' || set === undefined)
      throw new Error(`the backup failed: ${failure?.reason}: ${failure?.message}`);
    this.report.bytes = { plain: set.plainBytes, stored: set.storedBytes };
    this.report.versions['tool'] = set.toolVersion;
    this.say(`  ${set.plainBytes} bytes dumped, ${set.storedBytes} bytes stored ${where}, compressed and encrypted`);
  }

  /** Throws when the restore failed. */
  tellRestore({ status: { phase, failure, result } }: EndedObject, run: string): void {
    if (phase !== 'Succeeded') throw new Error(`the restore failed: ${failure?.reason}: ${failure?.message}`);
    this.say(`  ${run} is back: ${result?.rowCount} rows counted, every foreign key joined`);
  }

  /** Fills the report from the two portraits and says what differs. */
  judge(before: Portrait, after: Portrait): void {
    const { report } = this;
    for (const [table, rowsBefore] of Object.entries(before.rows)) {
      report.tables[table] = { rowsBefore, rowsAfter: after.rows[table] ?? null };
      this.say(`  ${table}: ${rowsBefore} rows before, ${after.rows[table] ?? 'no table'} after`);
    }
    report.differences = comparePortraits(before, after);
    report.brokenForeignKeys = after.brokenForeignKeys;
    const definitions = Object.keys(before.definitions).length;
    this.say(
      `  ${definitions} constraints, routines, triggers, views, indexes, columns, sequences and owners compared`,
    );
    this.say(`  ${after.brokenForeignKeys} orders point at customers that do not exist`);
    for (const difference of report.differences) this.say(`  DIFFERENT: ${difference}`);
    report.ok = report.differences.length === 0 && after.brokenForeignKeys === 0 && Object.keys(before.rows).length > 0;
  }

  /** Writes the report, whatever happened, and says the last word. The answer is the exit status. */
  end(file: string | undefined, failure?: unknown): number {
    const { report } = this;
    if (failure !== undefined) {
      report.ok = false;
      report.failure = failure instanceof Error ? failure.message : String(failure);
    }
    report.seconds['total'] = Number(((performance.now() - this.#startedMs) / 1000).toFixed(2));
    if (file !== undefined) writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
    this.say(
      report.ok
        ? `\nEverything came back, in ${report.seconds['total']} s altogether. Proven, not assumed.`
        : `\nNOT PROVEN: ${report.failure ?? 'what came back is not what was there'}`,
    );
    return report.ok ? 0 : 1;
  }
}
