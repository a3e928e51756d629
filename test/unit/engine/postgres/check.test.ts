import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compareCounts, duplicatesQuery, orphansQuery } from '../../../../src/engine/postgres/check.ts';

const counts = fc.uniqueArray(
  fc.record({
    schema: fc.constantFrom('public', 'a.b'),
    table: fc.constantFrom('t', 'b.t', '"t"', 'T'),
    rows: fc.nat(3),
  }),
  { selector: ({ schema, table }) => `${schema}\0${table}` },
);

describe('the comparison of row counts', () => {
  it('finds nothing where the same stands in another order', () => {
    fc.assert(fc.property(counts, (tables) => expect(compareCounts(tables, [...tables].reverse())).toEqual([])));
  });

  it('finds every table that differs, is missing or came from nowhere, and no other', () => {
    const wordOf = ({ schema, table }: { schema: string; table: string }): string => JSON.stringify([schema, table]);
    fc.assert(
      fc.property(counts, counts, (expected, found) => {
        const before = new Map(expected.map((one) => [wordOf(one), one.rows]));
        const after = new Map(found.map((one) => [wordOf(one), one.rows]));
        const differing = [...new Set([...before.keys(), ...after.keys()])].filter(
          (word) => before.get(word) !== after.get(word),
        );
        expect(compareCounts(expected, found)).toHaveLength(differing.length);
      }),
    );
  });

  it('tells the two numbers apart', () => {
    const orders = { schema: 'public', table: 'Orders' };
    expect(compareCounts([{ ...orders, rows: 20_000 }], [{ ...orders, rows: 19_999 }])).toEqual([
      'table "public"."Orders" has 19999 rows, the backup had 20000',
    ]);
  });
});

describe('the query for rows that point at nothing', () => {
  const key = {
    child: 'ONLY public.orders',
    parent: 'ONLY public.customers',
    child_columns: ['a', '"B"'],
    parent_columns: ['x', 'y'],
    operators: ['OPERATOR(pg_catalog.=)', 'OPERATOR(ext.=)'],
  };
  const flat = (sql: string): string => sql.replace(/\s+/g, ' ');

  it('compares each column by the operator of the key', () => {
    expect(flat(orphansQuery({ ...key, match: 's' }))).toContain(
      'NOT EXISTS (SELECT FROM ONLY public.customers p WHERE p.x OPERATOR(pg_catalog.=) c.a AND p.y OPERATOR(ext.=) c."B")',
    );
  });

  it('lets a row off for any null with MATCH SIMPLE, and only for all with MATCH FULL', () => {
    expect(orphansQuery({ ...key, match: 's' })).toContain('WHERE NOT (c.a IS NULL OR c."B" IS NULL)');
    expect(orphansQuery({ ...key, match: 'f' })).toContain('WHERE NOT (c.a IS NULL AND c."B" IS NULL)');
  });
});

describe('the query for keys that occur twice', () => {
  const key = { relation: 'public.orders', columns: ['a', 'lower(b)'], predicate: null, nulls_equal: false };

  it('passes over nulls, unless the key counts them as equal', () => {
    expect(duplicatesQuery(key)).toContain('WHERE (a) IS NOT NULL AND (lower(b)) IS NOT NULL GROUP BY (a), (lower(b))');
    expect(duplicatesQuery({ ...key, nulls_equal: true })).not.toContain('WHERE');
  });

  it('looks only at the rows that a partial key is for', () => {
    expect(duplicatesQuery({ ...key, predicate: 'paid OR sent', nulls_equal: true })).toContain(
      'WHERE (paid OR sent) GROUP',
    );
  });
});
