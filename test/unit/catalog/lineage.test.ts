import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chooseLineage, type KnownLineage } from '../../../src/catalog/lineage.ts';

const systemIdentifier = fc.constantFrom('7301', '7302', '7303');
const known = fc.uniqueArray(
  fc.record<KnownLineage>({
    id: fc.integer({ min: 0, max: 999 }).map((n) => `pg-x-${n}`),
    engine: fc.constant('PostgreSQL' as const),
    systemIdentifier,
    bornAtMs: fc.integer({ min: 0, max: 5 }),
  }),
  { selector: ({ id }) => id },
);
const facts = systemIdentifier.map((id) => ({ engine: 'PostgreSQL' as const, systemIdentifier: id }));

describe('which lineage a server belongs to', () => {
  it('never one of another system identifier, and a new one only when none fits', () => {
    fc.assert(
      fc.property(known, facts, (lineages, server) => {
        const choice = chooseLineage(lineages, server, 'repository');
        const fitting = lineages.filter((one) => one.systemIdentifier === server.systemIdentifier);
        if (choice.verdict === 'continue') expect(fitting).toContain(choice.lineage);
        else expect(fitting).toEqual([]);
      }),
    );
  });

  it('does not depend on the order in which the lineages were listed', () => {
    fc.assert(
      fc.property(known, facts, (lineages, server) => {
        expect(chooseLineage([...lineages].reverse(), server, 'r')).toEqual(chooseLineage(lineages, server, 'r'));
      }),
    );
  });

  it('two attempts that meet a new server at once give birth to the same lineage, another repository to another', () => {
    const server = { engine: 'PostgreSQL' as const, systemIdentifier: '7301234567890123456' };
    const here = chooseLineage([], server, 'one');
    expect(here).toEqual(chooseLineage([], server, 'one'));
    expect(here).toEqual({ verdict: 'born', id: expect.stringMatching(/^pg-7301234567890123456-[0-9a-f]{8}$/) });
    expect(here).not.toEqual(chooseLineage([], server, 'two'));
  });
});
