import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { unpackDebianPackage } from './cluster/debian-unpacked.ts';
import { succeeds } from './cluster/run.ts';
import { silent, type Tell } from './cluster/story.ts';

/** The promtool of the PATH, or the one in Debian's package `prometheus`, unpacked and not installed. */
export async function promtoolProgram(tell: Tell = silent): Promise<string> {
  if (await succeeds('promtool', ['--version'])) return 'promtool';
  const program = join(await unpackDebianPackage(tell, 'prometheus'), 'usr', 'bin', 'promtool');
  if (!existsSync(program)) throw new Error(`Debian's prometheus has no ${program}`);
  return program;
}

/** Runs promtool in a directory; what it said, and whether it was content. */
export async function promtool(args: readonly string[], cwd: string): Promise<{ ok: boolean; said: string }> {
  const { status, stdout, stderr } = spawnSync(await promtoolProgram(), args, { cwd, encoding: 'utf8' });
  return { ok: status === 0, said: `${stdout}${stderr}` };
}
