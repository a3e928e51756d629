import { describe, expect, it } from '@jest/globals';
import { conditionTypes, stateReasons } from '../../../src/api/conditions.ts';
import { customResourceDefinition, describeKind, type SchemaNode } from '../../../src/api/crd.ts';
import { type KindName, kindNames } from '../../../src/api/names.ts';
import { referencePage } from '../../../src/api/reference.ts';
import { reasons } from '../../../src/base/reasons.ts';

const kinds = Object.keys(kindNames) as KindName[];

function schemaOf(kind: KindName): SchemaNode {
  const crd = customResourceDefinition(kind) as { spec: { versions: { schema: { openAPIV3Schema: SchemaNode } }[] } };
  return crd.spec.versions[0]!.schema.openAPIV3Schema;
}

function* nodes(node: SchemaNode, path: string): Generator<[string, SchemaNode]> {
  yield [path, node];
  for (const [name, child] of Object.entries(node.properties ?? {})) yield* nodes(child, `${path}.${name}`);
  if (node.items !== undefined) yield* nodes(node.items, `${path}[]`);
  const values = node['additionalProperties'];
  if (typeof values === 'object') yield* nodes(values as SchemaNode, `${path}[]`);
}

describe.each(kinds)('the schema of %s', (kind) => {
  const all = [...nodes(schemaOf(kind), kind)];

  it('is structural: one type a node, no union, no reference', () => {
    for (const [path, node] of all) {
      const isMap = typeof node['additionalProperties'] === 'object' && node.properties === undefined;
      const unions = ['oneOf', 'anyOf', 'allOf', '$ref', 'const', ...(isMap ? [] : ['additionalProperties'])];
      const strange = unions.filter((key) => key in node);
      expect({ path, type: typeof node.type, strange }).toEqual({ path, type: 'string', strange: [] });
    }
  });

  it('bounds every text and list of the spec, because rules cost by what they could meet', () => {
    for (const [path, node] of all.filter(([name]) => name.startsWith(`${kind}.spec`))) {
      if (node.type === 'string' && node.enum === undefined)
        expect([path, node['maxLength']]).toEqual([path, expect.any(Number)]);
      if (node.type === 'array') expect([path, node['maxItems']]).toEqual([path, expect.any(Number)]);
    }
  });

  it('describes every field, of the spec and of the status', () => {
    const fields = all.filter(([path]) => /[.](spec|status)[.]/.test(path) && !path.endsWith('[]'));
    expect(fields.filter(([, node]) => node.description === undefined).map(([path]) => path)).toEqual([]);
  });

  it('has defaults that hold the defaults inside of them: the API server checks rules before it fills them in', () => {
    for (const [path, { default: given, properties = {} }] of all) {
      if (typeof given !== 'object' || Array.isArray(given)) continue;
      const inner = Object.entries(properties).filter(([, child]) => child.default !== undefined);
      expect([path, given]).toEqual([path, Object.fromEntries(inner.map(([name, child]) => [name, child.default]))]);
    }
  });

  it('has a page that tells every field, default, column, condition and reason', () => {
    const page = referencePage(kind, 'kind: Example\n');
    const words = [...Object.keys(conditionTypes), ...Object.keys(stateReasons[kind]), ...Object.keys(reasons)];
    expect(words.filter((word) => !page.includes(`\n| \`${word}\` |`))).toEqual([]);
    for (const [path, node] of all.filter(([name]) => /[.](spec|status)[.]/.test(name) && !name.endsWith('[]'))) {
      const row = page.split('\n').find((line) => line.startsWith(`| \`${path.slice(kind.length + 1)}\` |`));
      expect([path, row]).toEqual([path, expect.stringContaining(node.description ?? '')]);
      if (node.default !== undefined && node.type !== 'object')
        expect(row).toContain(`Default: \`${JSON.stringify(node.default)}\``);
    }
    for (const { name } of describeKind(kind).columns) expect(page).toContain(`\n| ${name} |`);
  });
});
