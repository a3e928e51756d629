import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../base/fault.ts';
import { layout } from '../contract/layout.ts';
import type { Progress } from '../contract/progress.ts';
import { encodeReport, type Report } from '../contract/report.ts';
import { type SecretRef, type Task, task, taskVersion } from '../contract/task.ts';

/** The directory that a task lives in, as `contract/layout.ts` says. */
export class TaskRoot {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  path(part: keyof typeof layout): string {
    return join(this.#directory, layout[part]);
  }

  /** Throws Internal when the file is not a task that this version understands: operator and agent are of one image. */
  async readTask(): Promise<Task> {
    const where = this.path('task');
    const parsed = task.safeParse(JSON.parse(await readFile(where, 'utf8')));
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw new Fault(
      'Internal',
      `the task is not one of version ${taskVersion}: ${issue?.path.join('.')} ${issue?.message}`,
      {
        where,
        hint: 'Let operator and agent run the same image.',
      },
    );
  }

  /**
   * A mounted secret, without the newline that an editor or `echo` leaves at the end. Throws SecretMissing that names
   * mount and key, never what was read.
   */
  async readSecret({ mount, key }: SecretRef): Promise<string> {
    const where = `secret ${mount}, key ${key}`;
    try {
      const text = (await readFile(join(this.path('secrets'), mount, key), 'utf8')).replace(/\r?\n$/, '');
      if (text !== '') return text;
    } catch (cause) {
      throw new Fault('SecretMissing', `the secret cannot be read: ${(cause as NodeJS.ErrnoException).code}`, {
        where,
      });
    }
    throw new Fault('SecretMissing', 'the secret is empty', { where });
  }

  /** Removes the tool's secret files where they lie on a disk; in a pod they are another container's memory and go with it. */
  async forgetPrivate(): Promise<void> {
    const directory = this.path('private');
    for (const name of await readdir(directory).catch(() => []))
      await rm(join(directory, name), { force: true }).catch(() => {});
  }

  /** Written in place: in a pod it is the termination message, a file that is mounted. */
  async writeReport(report: Report): Promise<void> {
    await writeFile(this.path('report'), encodeReport(report));
  }

  async writeProgress(progress: Progress): Promise<void> {
    const file = this.path('progress');
    await writeFile(`${file}.new`, JSON.stringify(progress));
    await rename(`${file}.new`, file);
  }
}
