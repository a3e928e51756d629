import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Fault } from '../../../src/base/fault.ts';
import { CommandError } from '../../../src/cli/complaint.ts';
import type { Place } from '../../../src/cli/place.ts';
import { describedProgram, runCommandLine } from '../../../src/cli/program.ts';
import { commandReference } from '../../../src/cli/reference.ts';
import type { Surroundings } from '../../../src/cli/surroundings.ts';
import type { Objects } from '../../../src/cluster/objects.ts';
import type { Resource } from '../../../src/cluster/resource.ts';
import { FakeClock } from '../../harness/fake-clock.ts';

const run = (phase: string, failure?: object): Resource => ({
  apiVersion: 'backstay.dev/v1alpha1',
  kind: 'BackupRun',
  metadata: {
    name: 'shop-1',
    namespace: 'default',
    uid: 'u',
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: '2026-01-01T00:00:00Z',
  },
  spec: { policyName: 'shop', method: 'Dump', dump: { databases: ['shop'] } },
  status: { phase, size: '3 MiB', ...(failure ? { failure } : {}) },
});

async function backstay(args: string, objects: Resource[] = []): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const place: Place = {
    mode: 'standalone',
    namespace: 'default',
    pollMs: 1,
    objects: {
      list: async (wanted: string) => objects.filter(({ kind }) => kind === wanted),
      get: async (_kind: string, { name }: { name: string }) => objects.find(({ metadata }) => metadata.name === name),
      delete: async () => undefined,
    } as unknown as Objects,
    applier: { check: async () => undefined, apply: async () => 'created' },
    reportSections: () => [],
    close: () => undefined,
  };
  const surroundings = {
    version: '0.1.0',
    calledAs: 'backstay',
    clock: new FakeClock(Date.parse('2026-01-01T01:00:00Z')),
    defaultHome: undefined,
    print: (text: string) => {
      out += text;
    },
    printError: (text: string) => {
      err += text;
    },
    stopSignal: () => new AbortController().signal,
    openHome: async () => place,
    openCluster: async () => {
      throw new CommandError('Usage', 'neither a home nor a cluster is named', 'Name one.');
    },
    generateKey: async () => ({ identity: 'AGE-SECRET-KEY-1X', recipient: 'age1x' }),
    runStandalone: async () => {
      throw new Fault('StoreMissing', 'no such home');
    },
  } as unknown as Surroundings;
  return { code: await runCommandLine(args.split(' '), surroundings), out, err };
}

describe('the command line', () => {
  it.each([
    '',
    '--nonsense',
    'get',
    'get runs',
    'apply --home /h',
    'apply --home /h -f x --timeout 5',
    'get --home /h --context c runs',
    'restor',
  ])('"%s" is a usage error: exit code 2 and a word of help', async (args) => {
    const { code, err } = await backstay(args);
    expect(code).toBe(2);
    expect(err).not.toBe('');
  });

  it('says which command was meant', async () => {
    expect((await backstay('aply --home /h -f x')).err).toContain('Did you mean apply?');
  });

  it('a fault is said with its reason and the next thing to do, exit code 1', async () => {
    const { code, err } = await backstay('standalone --home /h');
    expect(code).toBe(1);
    expect(err).toMatch(/^error: StoreMissing: no such home\n {2}next: /);
  });

  it('a file that is not there is an error of its own', async () => {
    const { code, err } = await backstay('apply --home /h -f /no/such/file.yaml');
    expect(code).toBe(1);
    expect(err).toContain('cannot read /no/such/file.yaml');
  });

  it.each([
    ['Succeeded', 0],
    ['Failed', 1],
  ])('apply --wait exits with the outcome: %s is %d', async (phase, expected) => {
    const failure = phase === 'Failed' ? { reason: 'StoreFull', message: 'no space', hint: 'Add space.' } : undefined;
    const { code, out } = await backstay('apply --home /h -f test/fixtures/run.yaml --wait', [run(phase, failure)]);
    expect(code).toBe(expected);
    expect(out).toContain(`BackupRun shop-1: ${phase}`);
    if (failure) expect(out).toContain('StoreFull: no space\n  next: Add space.');
  });

  it('a wait for an object that is deleted meanwhile fails', async () => {
    expect((await backstay('apply --home /h -f test/fixtures/run.yaml --wait')).code).toBe(1);
  });

  it('a wait that is over while the work goes on has an exit code of its own: 7', async () => {
    for (const flags of ['--wait --timeout 0s', '--timeout 0s']) {
      const { code, out } = await backstay(`apply --home /h -f test/fixtures/run.yaml ${flags}`, [run('Running')]);
      expect(code).toBe(7);
      expect(out).toContain('the work goes on');
    }
  });

  it('status exits with 0 whatever it finds, and names what is not protected so that it can be found', async () => {
    const policy = { ...run('Pending'), kind: 'BackupPolicy' as const, spec: {}, status: {} };
    expect(await backstay('status --home /h -o name', [policy])).toMatchObject({ code: 0, out: 'shop-1\n' });
    expect(await backstay('status --home /h -A -o name', [policy])).toMatchObject({ code: 0, out: 'default/shop-1\n' });
    const { code, out } = await backstay('status --home /h -o json', [policy]);
    expect(code).toBe(0);
    expect(JSON.parse(out).protected).toBe(false);
  });

  it('get prints a table that fits what there is, and JSON of the same', async () => {
    const table = (await backstay('get --home /h runs', [run('Succeeded')])).out;
    expect(table).toMatch(
      /^NAME +POLICY +PHASE +SIZE +TOOK +AGE +MESSAGE\nshop-1 +shop +Succeeded +3 MiB +<none> +1h +<none>\n$/,
    );
    expect(JSON.parse((await backstay('get --home /h run shop-1 -o json', [run('Succeeded')])).out).metadata.name).toBe(
      'shop-1',
    );
    expect((await backstay('get --home /h runs')).out).toBe('There is none.\n');
  });

  it('get of a name that does not exist fails and says how to list', async () => {
    const { code, err } = await backstay('get --home /h run nope');
    expect(code).toBe(1);
    expect(err).toContain('backstay get run -A --home /h');
  });

  it('get of a kind that is nearly one says which was meant', async () => {
    expect((await backstay('get --home /h polices')).err).toContain('Did you mean policies?');
  });

  it('docs/cli.md says what help, exit codes and schemas say', () => {
    expect(readFileSync('docs/cli.md', 'utf8')).toBe(commandReference(describedProgram()));
  });

  const examples = [...readFileSync('docs/cli.md', 'utf8').matchAll(/^ {2}backstay (.*)$/gm)].map(
    ([, args = '']) => args,
  );
  it.each(examples.map((args) => args.replace(/ [|>].*$/, '').replace('report.yaml', '-')))(
    'the example "%s" is one that can be typed',
    async (args) => {
      const { code, err } = await backstay(/^(keys|completion|standalone)/.test(args) ? args : `${args} --home /h`);
      expect({ code, err }).not.toMatchObject({ code: 2 });
    },
  );
});
