import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cutText, nameFew } from '../../../src/base/short-text.ts';

describe('text of others', () => {
  it('is left alone while it is short, and cut at its end else', () => {
    expect(cutText('denied')).toBe('denied');
    expect(cutText('x'.repeat(500))).toHaveLength(500);
    expect(cutText('x'.repeat(501))).toBe(`${'x'.repeat(499)}…`);
  });

  it('is never cut inside a character: the API server would store another one, and the status would never be the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
        const cut = cutText(text.repeat(Math.ceil(600 / text.length)));
        expect(cut.length).toBeLessThanOrEqual(500);
        expect(cut.isWellFormed()).toBe(true);
      }),
    );
  });

  it('is a list of which the first few are named, and the others counted', () => {
    const names = Array.from({ length: 256 }, (_, at) => `p${at}`);
    expect(nameFew(names.slice(0, 5))).toBe('p0, p1, p2, p3, p4');
    expect(nameFew(names)).toBe('p0, p1, p2, p3, p4 and 251 more');
  });
});
