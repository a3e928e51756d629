import { spawnSync } from 'node:child_process';

/** Runs a program to its end. Throws with the last of what it said when it fails. */
export function mustRun(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr.trim().slice(-500)}`);
}
