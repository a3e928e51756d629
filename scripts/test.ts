// `npm test` (unit, integration, standalone) and `npm run test:cluster`. Gets every real part that its tiers need, says
// what it does, runs jest once per tier, and ends with one line that counts. A tier that cannot run is named with its
// reason; under CI=true that is a failure, because a skipped tier must not look green.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { prepareParts } from '../test/harness/parts.ts';

const tiers = ['unit', 'integration', 'standalone', 'cluster'] as const;
type Tier = (typeof tiers)[number];

// For two cores. Every suite has servers, stores and homes of its own; the stories of standalone wait out pauses most of
// the time. The cluster is one, and its faults hit everybody in it.
const workers: Readonly<Record<Tier, number>> = { unit: 3, integration: 3, standalone: 3, cluster: 1 };

const { values, positionals } = parseArgs({
  options: { tier: { type: 'string', multiple: true } },
  allowPositionals: true,
});
const wanted = (values.tier ?? ['unit', 'integration', 'standalone']) as Tier[];
const unknown = wanted.find((tier) => !tiers.includes(tier));
if (unknown !== undefined) {
  process.stderr.write(`there is no tier "${unknown}"; the tiers are ${tiers.join(', ')}\n`);
  process.exit(2);
}

const ci = process.env['CI'] === 'true';
const outDirectory = mkdtempSync(join(tmpdir(), 'backstay-test-'));
const totals = { passed: 0, failed: 0, skipped: 0 };
const summary: string[] = [];

try {
  for (const tier of wanted) await runTier(tier);
} finally {
  rmSync(outDirectory, { recursive: true, force: true });
}
process.stdout.write(`\n${summary.join('\n')}\n`);
process.stdout.write(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
process.exitCode = totals.failed > 0 || (ci && totals.skipped > 0) ? 1 : 0;

async function runTier(tier: Tier): Promise<void> {
  const startedMs = Date.now();
  const say = (): string => `${((Date.now() - startedMs) / 1000).toFixed(0)} s`;
  const missing = await prepareParts(tier);
  if (missing !== undefined) {
    totals[ci ? 'failed' : 'skipped'] += 1;
    summary.push(`${tier}: NOT RUN, ${missing}${ci ? ' (a failure under CI=true)' : ''}`);
    return;
  }
  process.stdout.write(`\n== ${tier} ==\n`);
  const outputFile = join(outDirectory, `${tier}.json`);
  const width = workers[tier] === 1 ? '--runInBand' : `--maxWorkers=${workers[tier]}`;
  const { status, signal } = spawnSync(
    process.execPath,
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      'node_modules/jest/bin/jest.js',
      '--selectProjects',
      tier,
      '--json',
      `--outputFile=${outputFile}`,
      width,
      ...(positionals.length > 0 ? ['--', ...positionals] : []),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const counts = readCounts(outputFile);
  totals.passed += counts.passed;
  totals.failed += counts.failed;
  totals.skipped += counts.skipped;
  // Jest can end with an error though no test failed: a suite that did not load, a worker that died.
  if (status !== 0 && counts.failed === 0) totals.failed += 1;
  const ended = signal === null ? '' : `, ended by ${signal}`;
  summary.push(
    `${tier}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped in ${say()}${ended}`,
  );
}

function readCounts(file: string): { passed: number; failed: number; skipped: number } {
  try {
    const json = JSON.parse(readFileSync(file, 'utf8'));
    return {
      passed: json.numPassedTests,
      failed: json.numFailedTests + json.numRuntimeErrorTestSuites,
      skipped: json.numPendingTests + json.numTodoTests,
    };
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
}
