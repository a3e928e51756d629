// `npm run check`: every gate that needs no database and no cluster. Each prints one line; the output of a gate is shown
// only when it fails. All gates run, so that one look gives the whole list.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

interface Gate {
  name: string;
  command: string[];
  /** A gate can exit 0 without having looked: the answer is what is wrong with its output, if anything. */
  judge?: (stdout: string) => string | undefined;
}

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

const gates: Gate[] = [
  { name: 'types', command: ['tsc', '-p', '.'] },
  { name: 'lint and format', command: ['biome', 'check', '--error-on-warnings', '.'] },
  {
    name: 'import arrows',
    command: ['depcruise', '--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'src'],
    judge: judgeArrows,
  },
  { name: 'dead code', command: ['knip', '--no-progress'] },
  { name: 'generated files', command: ['node', 'scripts/generate.ts', '--check'] },
];

// Where the parser cannot read TypeScript, dependency-cruiser sees no module and reports no violation.
function judgeArrows(stdout: string): string | undefined {
  const { modules, summary } = JSON.parse(stdout) as {
    modules: { source: string }[];
    summary: { violations: { rule: { name: string }; from: string; to: string; comment?: string }[] };
  };
  const seen = new Set(modules.map((module) => module.source));
  const missed = sources.filter((name) => !seen.has(`src/${name}`));
  if (missed.length > 0) return `the checker did not see: ${missed.join(', ')}`;
  if (summary.violations.length === 0) return undefined;
  return summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`).join('\n');
}

let failures = 0;
for (const { name, command, judge } of gates) {
  const startedMs = Date.now();
  const [program, ...args] = command as [string, ...string[]];
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  let complaint = status === 0 ? undefined : `${stdout}${stderr}`.trim() || `exit ${status}`;
  if (judge !== undefined) {
    try {
      complaint = judge(stdout);
    } catch {
      complaint ??= 'its output could not be read';
    }
  }
  if (complaint !== undefined) failures += 1;
  process.stdout.write(`${complaint === undefined ? 'ok  ' : 'FAIL'} ${name} (${Date.now() - startedMs} ms)\n`);
  if (complaint !== undefined) process.stdout.write(`${complaint}\n\n`);
}
process.stdout.write(`${gates.length - failures} passed, ${failures} failed\n`);
process.exitCode = failures === 0 ? 0 : 1;
