import { expect, it } from '@jest/globals';
import { applyFiles } from '../../../src/cli/apply.ts';
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

it('what the user wrote is handed on as it is', async () => {
  const { written, thrown } = await apply(run('a'));
  expect(thrown).toBeUndefined();
  expect(written[0]?.spec).toEqual({ policyName: 'shop', method: 'Dump', dump: { databases: ['shop'] } });
});
