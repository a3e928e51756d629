import { expect, it } from '@jest/globals';
import { z } from 'zod';
import { contractVersion, resultSchema, statusSchema, verdicts } from '../../../src/cli/contract.ts';

// Within v1 nothing here may go or change its meaning: scripts read it. New fields and words may be added, here too.
it('the contract v1 keeps every field and every word that it once had', () => {
  expect(contractVersion).toBe('cli.backstay.dev/v1');
  expect(fieldsOf(resultSchema)).toEqual(
    expect.arrayContaining([
      'apiVersion',
      'kind',
      'outcome',
      'exitCode',
      ...['kind', 'namespace', 'name', 'change', 'phase', 'size', 'duration'].map((field) => `objects[].${field}`),
      ...['reason', 'message', 'hint'].flatMap((field) => [`objects[].failure.${field}`, `error.${field}`]),
    ]),
  );
  expect(resultSchema.shape.outcome.options).toEqual(
    expect.arrayContaining(['Done', 'Started', 'Succeeded', 'Failed', 'TimedOut', 'Interrupted', 'Error']),
  );
  expect(fieldsOf(statusSchema)).toEqual(
    expect.arrayContaining([
      'protected',
      'next[]',
      ...['namespace', 'name', 'verdict', 'message', 'nextRun', 'next'].map((field) => `policies[].${field}`),
      ...['run', 'time', 'ageSeconds', 'storedBytes', 'size'].map((field) => `policies[].lastSuccess.${field}`),
      ...['name', 'phase', 'createdAt', 'failure.reason'].map((field) => `policies[].lastRun.${field}`),
      ...['kind', 'namespace', 'name', 'policy', 'phase', 'since', 'progress.step'].map(
        (field) => `running[].${field}`,
      ),
      ...['namespace', 'name', 'phase', 'database', 'completedAt', 'duration'].map((field) => `restores[].${field}`),
    ]),
  );
  expect(Object.keys(verdicts)).toEqual(
    expect.arrayContaining([
      'Protected',
      'NoBackup',
      'Failing',
      'Overdue',
      'TooOld',
      'Suspended',
      'ReadOnly',
      'NotReady',
    ]),
  );
});

interface JsonSchema {
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
}

/** `objects[].failure.reason`: the path of every field that is no object itself. */
function fieldsOf(schema: z.ZodType): string[] {
  const walk = (node: JsonSchema, path: string): string[] => {
    if (node.items !== undefined) return walk(node.items, `${path}[]`);
    if (node.properties === undefined) return [path];
    return Object.entries(node.properties).flatMap(([name, child]) =>
      walk(child, path === '' ? name : `${path}.${name}`),
    );
  };
  return walk(z.toJSONSchema(schema) as JsonSchema, '');
}
