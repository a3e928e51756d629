import { expect, it } from '@jest/globals';
import { renderTable } from '../../../src/cli/table.ts';

it('a table lines up, and says <none> where there is nothing', () => {
  expect(
    renderTable(
      ['NAME', 'PHASE'],
      [
        ['shop-20260101', ''],
        ['b', 'Failed'],
      ],
    ),
  ).toBe('NAME            PHASE\nshop-20260101   <none>\nb               Failed');
});
