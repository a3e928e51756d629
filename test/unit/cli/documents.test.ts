import { describe, expect, it } from '@jest/globals';
import { readDocuments } from '../../../src/cli/documents.ts';

const policy = `apiVersion: backstay.dev/v1alpha1
kind: BackupPolicy
metadata: { name: shop }
spec: { engine: PostgreSQL }
`;

const refusal = (text: string): { message: string; where: string; hint: string; reason: string } => {
  try {
    readDocuments(text, 'shop.yaml');
  } catch (error) {
    return error as never;
  }
  throw new Error('it was not refused');
};

describe('a YAML file', () => {
  it('gives every object in it, in the namespace "default" when none is named', () => {
    const drafts = readDocuments(
      `# a comment\n---\n${policy}---\n${policy.replace('{ name: shop }', '{ name: b, namespace: prod }')}---\n`,
      'f',
    );
    expect(drafts.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)).toEqual(['default/shop', 'prod/b']);
    expect(drafts[0]?.spec).toEqual({ engine: 'PostgreSQL' });
  });

  it.each([
    ['a: [1', /^shop\.yaml:\d+:\d+$/, /not YAML/],
    [`${policy}\tspec: 1\n`, /^shop\.yaml:5:1$/, /not YAML/],
    [policy.replace('spec:', 'kind: X\nspec:'), /^shop\.yaml:4:1$/, /not YAML.*unique/],
    ['- 1', /^shop\.yaml:1$/, /not an object/],
    [`${policy}---\njust text`, /^shop\.yaml:6$/, /not an object/],
    [policy.replace('v1alpha1', 'v2'), /^shop\.yaml:1$/, /apiVersion is "backstay.dev\/v2"/],
    [policy.replace('name:', 'nme:'), /^shop\.yaml:1$/, /metadata.name is missing/],
    [policy.replace('spec:', 'spce:'), /^shop\.yaml:1$/, /"spce" is no field/],
    ['# nothing', /^shop\.yaml$/, /no object/],
  ])('%j is refused with the place and what is wrong', (text, where, message) => {
    const { where: place, message: said, reason } = refusal(text);
    expect({ reason, place, said }).toEqual({
      reason: 'SpecInvalid',
      place: expect.stringMatching(where),
      said: expect.stringMatching(message),
    });
  });

  it('with a kind that is nearly one of ours says which was meant', () => {
    expect(refusal(policy.replace('BackupPolicy', 'BackupPolcy')).hint).toBe('Did you mean BackupPolicy?');
  });

  it('cannot blow itself up with aliases', () => {
    let bomb = 'a0: &a0 [x, x, x, x, x, x, x, x, x]\n';
    for (let at = 1; at < 10; at += 1)
      bomb += `a${at}: &a${at} [${Array(9)
        .fill(`*a${at - 1}`)
        .join(', ')}]\n`;
    expect(() => readDocuments(bomb, 'f')).toThrow();
  });
});
