import { expect, it } from '@jest/globals';
import { admit } from '../../../src/api/admit.ts';
import { applyFiles } from '../../../src/cli/apply.ts';
import { ObjectsError } from '../../../src/cluster/objects.ts';
import type { Draft } from '../../../src/cluster/resource.ts';

const run = (name: string, more = ''): string => `apiVersion: backstay.dev/v1alpha1
kind: BackupRun
metadata: { name: ${name} }
spec: { policyName: shop, method: Dump, dump: { databases: [shop] }${more} }
`;

async function apply(...texts: string[]): Promise<{ written: Draft[]; thrown: unknown }> {
  const written: Draft[] = [];
  let thrown: unknown;
  const files = texts.map((text, at) => ({ name: `${at}.yaml`, text }));
  await applyFiles(files, {
    async check({ kind, metadata, spec }) {
      if (!/^[a-z]/.test(metadata.name))
        throw new ObjectsError('Invalid', `name ${JSON.stringify(metadata.name)} must be small`);
      admit(kind, spec, metadata.name === 'there' ? { policyName: 'other', method: 'Dump' } : undefined);
    },
    async apply(draft) {
      written.push(draft);
      return 'created';
    },
  }).catch((error) => {
    thrown = error;
  });
  return { written, thrown };
}

it('one bad object among good ones, and nothing is written', async () => {
  const { written, thrown } = await apply(run('a'), `${run('b')}---\n${run('c', ', polcyName: x')}`);
  expect(written).toEqual([]);
  expect(thrown).toMatchObject({
    reason: 'SpecInvalid',
    where: '1.yaml, BackupRun c',
    hint: 'Did you mean policyName?',
  });
});

it.each([
  ['there', 'a run cannot be changed', /create another one/],
  ['There', 'name "There" must be small', /Correct the field/],
  ['t'.repeat(51), 'metadata.name has more than 50 characters', /shorter/],
])('a good object before the run %s, which cannot be, is not written either', async (name, message, hint) => {
  const { written, thrown } = await apply(run('a'), run(name));
  expect(written).toEqual([]);
  expect(thrown).toMatchObject({
    reason: 'SpecInvalid',
    message,
    where: `1.yaml, BackupRun ${name}`,
    hint: expect.stringMatching(hint),
  });
});

it('what the user wrote is handed on as it is', async () => {
  const { written, thrown } = await apply(run('a'));
  expect(thrown).toBeUndefined();
  expect(written[0]?.spec).toEqual({ policyName: 'shop', method: 'Dump', dump: { databases: ['shop'] } });
});

it('an object of another namespace than the one on the command line is refused, and one of none gets it', async () => {
  const written: Draft[] = [];
  const target = {
    check: async () => undefined,
    apply: async (draft: Draft) => {
      written.push(draft);
      return 'created' as const;
    },
  };
  const rule = { fallback: 'prod', only: 'prod' };
  await applyFiles([{ name: 'f', text: run('a') }], target, rule);
  expect(written.map(({ metadata }) => metadata.namespace)).toEqual(['prod']);
  const other = run('b').replace('name: b', 'name: b, namespace: test');
  await expect(applyFiles([{ name: 'f', text: other }], target, rule)).rejects.toMatchObject({
    reason: 'SpecInvalid',
    message: 'metadata.namespace is test, and --namespace prod',
    where: 'f, BackupRun b',
  });
  expect(written).toHaveLength(1);
});
