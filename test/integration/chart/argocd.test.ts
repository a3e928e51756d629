import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { stateReasons } from '../../../src/api/conditions.ts';
import { type KindName, kindNames } from '../../../src/api/names.ts';
import { conditionsOf } from '../../../src/cluster/conditions.ts';
import { after, done, failed, type Outcome, stalled, waiting } from '../../../src/cluster/outcome.ts';
import { goProgram } from '../../harness/cluster/go-programs.ts';
import { run } from '../../harness/cluster/run.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';

const script = readFileSync('docs/argocd/health.lua', 'utf8');
const place = mkdtempSync(join(tmpdir(), 'backstay-lua-'));
const kinds = Object.keys(kindNames) as KindName[];
let interpreter: string;

beforeAll(async () => {
  interpreter = await goProgram(tellOnStderr, 'glua');
}, 5 * 60_000);
afterAll(() => rmSync(place, { recursive: true, force: true }));

describe('the health that Argo CD sees', () => {
  it.each(kinds)(
    'of a %s that is as its spec asks is Healthy, while work goes on Progressing, as its own reasons say',
    async (kind) => {
      for (const [reason, { ready }] of Object.entries<{ ready: string }>(stateReasons[kind])) {
        const outcome = ready === 'True' ? done(reason, 'so it is') : after(1_000, reason, 'so it is');
        const expected = reason === 'Suspended' ? 'Suspended' : ready === 'True' ? 'Healthy' : 'Progressing';
        expect([reason, await healthOf(objectOf(kind, outcome))]).toEqual([reason, `${expected}: ${reason}: so it is`]);
      }
    },
  );

  it.each(kinds)('of a %s that only a person can help is Degraded, with the reason', async (kind) => {
    const object = objectOf(kind, stalled('StoreDenied', 'the store said "no"'));
    expect(await healthOf(object)).toBe('Degraded: StoreDenied: the store said "no"');
  });

  it('of a policy whose run failed is Degraded, of a run that waits Progressing', async () => {
    const outcome = waiting('ServerUnreachable', 'no answer', 1_000);
    expect(await healthOf(objectOf('BackupPolicy', outcome))).toBe('Degraded: ServerUnreachable: no answer');
    expect(await healthOf(objectOf('BackupRun', outcome))).toBe('Progressing: ServerUnreachable: no answer');
  });

  it('does not flap by an accident of the operator: what was known stays', async () => {
    const before = conditionsOf(done('Scheduled', 'well'), []).map((condition) => ({
      ...condition,
      lastTransitionTime: '',
      observedGeneration: 1,
    }));
    const object = objectOf('BackupPolicy', done('Scheduled', 'well'));
    object.status.conditions = conditionsOf(failed(new Error('API server away')), before);
    expect(await healthOf(object)).toBe('Healthy: Scheduled: well');
  });

  it('is Progressing until the operator has seen the newest spec', async () => {
    const object = objectOf('BackupPolicy', stalled('SpecInvalid', 'of the old one'));
    object.metadata.generation = 2;
    expect(await healthOf(object)).toMatch(/^Progressing/);
    expect(await healthOf({ ...object, status: undefined })).toMatch(/^Progressing/);
    expect(await healthOf({ ...object, status: {} })).toMatch(/^Progressing/);
  });
});

function objectOf(kind: KindName, outcome: Outcome) {
  return {
    kind,
    metadata: { name: 'shop', generation: 1 },
    status: { observedGeneration: 1, conditions: conditionsOf(outcome, []) },
  };
}

/** What the script answers, run in the interpreter that Argo CD is built with and without the libraries that it withholds. */
async function healthOf(object: object): Promise<string> {
  const file = join(place, 'ask.lua');
  const withheld = 'local print = print; io = nil; os = nil; require = nil; dofile = nil';
  writeFileSync(
    file,
    `${withheld}\nobj = ${lua(object)}\nlocal answer = (function()\n${script}\nend)()\nprint(answer.status .. ": " .. answer.message)\n`,
  );
  return (await run(interpreter, [file])).trim();
}

/** A value as Lua writes it. */
function lua(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map(lua).join(',')}}`;
  if (typeof value !== 'object' || value === null) return value === undefined ? 'nil' : JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, member]) => `[${JSON.stringify(key)}]=${lua(member)}`)
    .join(',')}}`;
}
