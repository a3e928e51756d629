import { describe, expect, it } from '@jest/globals';
import { describeKind, type SchemaNode } from '../../../../src/api/crd.ts';
import { describeUnknown, missingIn, unknownToServer } from '../../../../src/cluster/kubernetes/served-schema.ts';
import { scriptedServer, sendStatus } from './scripted-server.ts';

const known: SchemaNode = {
  type: 'object',
  properties: {
    kind: { type: 'string', enum: ['a', 'b'] },
    list: { type: 'array', items: { type: 'object', properties: { deep: { type: 'string' } } } },
  },
};

describe('a served schema', () => {
  it('that is ours, or has more, lacks nothing', () => {
    const { spec } = describeKind('BackupPolicy');
    expect(missingIn(spec, spec, 'spec')).toEqual([]);
    const more = structuredClone(known);
    more.properties!['later'] = { type: 'string' };
    more.properties!['kind']!.enum!.push('c');
    expect(missingIn(more, known, 'spec')).toEqual([]);
  });

  it('that is older is found out by a field, a word and a field deep inside of a list', () => {
    const older = structuredClone(known);
    older.properties!['kind']!.enum = ['a'];
    older.properties!['list']!.items!.properties = {};
    expect(missingIn(older, known, 'spec')).toEqual(['spec.kind "b"', 'spec.list[].deep']);
    delete older.properties!['list'];
    expect(missingIn(older, known, 'spec')).toEqual(['spec.kind "b"', 'spec.list']);
    expect(missingIn(undefined, known, 'spec')).toEqual(['spec']);
  });

  it('is described in one sentence, however much it lacks', () => {
    expect(describeUnknown(['a', 'b', 'c', 'd', 'e'])).toMatch(/it does not know a, b, c and 2 more$/);
    expect(describeUnknown(['a'])).toMatch(/it does not know a$/);
  });

  it.each([403, 404])('that may not be read (%d) is no reason to stay away', async (status) => {
    const server = await scriptedServer((response) => sendStatus(response, status, 'Forbidden'));
    expect(await unknownToServer(server.client())).toEqual([]);
    await server.close();
  });
});
