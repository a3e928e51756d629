// Loaded into Backstay before its own program (`node --import`), and by it into its agents: a process that logs the line
// that a test waits for dies right there, or stands still until the test lets it go on. From outside, a signal always
// comes some milliseconds too late to meet one certain step. `stops.ts` is the test's side.
import { existsSync, readdirSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

/** What waits for a line: all `words` are in it, or in the working directory of the process. */
export interface Stop {
  words: string[];
  then: 'die' | 'stand';
}

// Tests start hundreds of these processes, and half of the time of a start goes into reading the source.
const asked = new URL(import.meta.url).searchParams;
enableCompileCache(asked.get('cache') ?? undefined);

// The one clock of the code asks here; timers go on as ever.
const now = Date.now.bind(Date);
const aheadMs = Number(asked.get('ahead') ?? 0);
Date.now = () => now() + aheadMs;

const directory = asked.get('directory') ?? '';
for (const [stream, fd] of [
  [process.stdout, 1],
  [process.stderr, 2],
] as const) {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  stream.write = (chunk: unknown, ...more: unknown[]): boolean => {
    const found = claim(String(chunk));
    if (found === undefined) return write(chunk, ...more);
    writeSync(fd, String(chunk));
    if (found.then === 'die') process.kill(process.pid, 'SIGKILL');
    const nap = new Int32Array(new SharedArrayBuffer(4));
    while (existsSync(found.reached)) Atomics.wait(nap, 0, 0, 10);
    return true;
  };
}

/** The stop that is meant, taken by one process only and only once. */
function claim(line: string): { then: Stop['then']; reached: string } | undefined {
  for (const name of readdirSync(directory).filter((file) => file.endsWith('.stop'))) {
    const path = join(directory, name);
    const { words, then } = JSON.parse(readFileSync(path, 'utf8')) as Stop;
    const subject = `${line} ${process.cwd()}`;
    if (!words.every((word) => subject.includes(word))) continue;
    const reached = join(directory, name.replace('.stop', '.reached'));
    renameSync(path, reached);
    return { then, reached };
  }
  return undefined;
}
