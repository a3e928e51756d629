import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { checkMode } from '../../../src/api/mode.ts';
import { parseSpec } from '../../../src/api/parse.ts';
import type { Fault } from '../../../src/base/fault.ts';

const samples = join(import.meta.dirname, '../../fixtures/samples');
const filesIn = (folder: string): [string, string][] =>
  readdirSync(join(samples, folder)).map((name) => [name, readFileSync(join(samples, folder, name), 'utf8')]);

function refusal(text: string): Fault {
  const { kind, spec } = parse(text);
  try {
    parseSpec(kind, spec);
  } catch (error) {
    return error as Fault;
  }
  throw new Error('it was not refused');
}

describe('a valid object', () => {
  it.each(filesIn('valid'))('is taken: %s', (_name, text) => {
    const { kind, spec } = parse(text);
    expect(() => parseSpec(kind, spec)).not.toThrow();
  });

  it.each(filesIn('valid'))('is not changed by being parsed twice: %s', (_name, text) => {
    const { kind, spec } = parse(text);
    const once = parseSpec(kind, spec);
    expect(parseSpec(kind, once)).toEqual(once);
  });
});

describe('an invalid object is refused with a sentence that names the field', () => {
  it.each(['invalid', 'invalid-strict', 'invalid-later'].flatMap(filesIn))('%s', (_name, text) => {
    const expected = /^# (.*)$/m.exec(text)?.[1] ?? 'a first line with what is said';
    const { reason, message, where, hint } = refusal(text);
    expect(message.slice(0, expected.length)).toBe(expected);
    expect({ reason, where: message.startsWith(where ?? '?') }).toEqual({ reason: 'SpecInvalid', where: true });
    expect(hint).toMatch(/^[A-Z].*[.?]$/);
  });
});

it('an unknown field is answered with the name that was meant', () => {
  const text = readFileSync(join(samples, 'invalid-strict/backup-policy-misspelt-bucket.yaml'), 'utf8');
  expect(refusal(text)).toMatchObject({ where: 'spec.stores[0].s3.buckt', hint: 'Did you mean bucket?' });
});

it('an unknown field that is like no other is answered with the list of fields', () => {
  expect(refusal('{ kind: BackupRun, spec: { colour: red } }').hint).toBe(
    'The fields here are policyName, method, dump, takeover.',
  );
});

it.each([null, 7, 'text', [], undefined])('a spec that is %p is refused', (spec) => {
  expect(() => parseSpec('BackupPolicy', spec)).toThrow(/^spec/);
});

it('a secret pasted into the wrong field is not repeated in the message', () => {
  const text = readFileSync(join(samples, 'invalid/backup-policy-recipient-is-secret.yaml'), 'utf8');
  const { message, hint } = refusal(text);
  expect(message + hint).not.toContain('AGE-SECRET-KEY');
});

describe('where Backstay runs decides what some fields mean', () => {
  const specOf = (name: string) => {
    const { kind, spec } = parse(readFileSync(join(samples, `valid/${name}.yaml`), 'utf8'));
    return { kind, spec: parseSpec(kind, spec) };
  };

  it('standalone refuses a Service by name and says what to use', () => {
    const { kind, spec } = specOf('backup-policy-smallest');
    expect(() => checkMode(kind, spec, 'standalone')).toThrow('spec.target.service has no meaning in standalone');
  });

  it('Kubernetes refuses a path on a machine', () => {
    const { spec } = specOf('backup-policy-smallest');
    const policy = parseSpec('BackupPolicy', { ...spec, stores: [{ name: 'a', filesystem: { path: '/b' } }] });
    expect(() => checkMode('BackupPolicy', policy, 'kubernetes')).toThrow('spec.stores[0].filesystem.path');
  });

  it('Kubernetes needs the workload or the image of the tools, standalone refuses both, and pods', () => {
    const { target, ...rest } = specOf('backup-policy-smallest').spec as never as Record<string, object>;
    const bare = parseSpec('BackupPolicy', {
      ...rest,
      toolImages: undefined,
      target: { ...target, service: undefined, host: 'a' },
    });
    expect(() => checkMode('BackupPolicy', bare, 'kubernetes')).toThrow('spec.target.workload is missing');
    const placed = parseSpec('BackupPolicy', {
      ...bare,
      target: { ...bare.target, workload: { kind: 'StatefulSet', name: 'db' } },
    });
    checkMode('BackupPolicy', placed, 'kubernetes');
    expect(() => checkMode('BackupPolicy', placed, 'standalone')).toThrow('spec.target.workload has no meaning');
    expect(() => checkMode('BackupPolicy', { ...bare, jobs: {} }, 'standalone')).toThrow('spec.jobs has no meaning');
    const imaged = { ...bare, toolImages: { dump: 'postgres:18' } };
    expect(() => checkMode('BackupPolicy', imaged, 'standalone')).toThrow('spec.toolImages has no meaning');
  });
});
