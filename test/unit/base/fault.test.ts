import { describe, expect, it } from '@jest/globals';
import { Fault, toFault } from '../../../src/base/fault.ts';
import { isReason, reasons } from '../../../src/base/reasons.ts';

describe('a fault', () => {
  it('brings the hint of its reason when the place that failed knows no better one', () => {
    expect(new Fault('StoreFull', 'no space').hint).toBe(reasons.StoreFull.hint);
    expect(new Fault('StoreFull', 'no space', { hint: 'Buy a disk.' }).hint).toBe('Buy a disk.');
  });

  it('says where, but not twice', () => {
    expect(new Fault('DataCorrupt', 'bytes differ', { where: 'a/b' }).sentence).toBe('bytes differ (a/b)');
    expect(new Fault('DataCorrupt', 'a/b differs', { where: 'a/b' }).sentence).toBe('a/b differs');
  });

  it('is what an unknown error becomes, with its message and cause kept', () => {
    const cause = new TypeError('x is undefined');
    expect(toFault(cause)).toMatchObject({ reason: 'Internal', message: 'x is undefined', cause });
    const fault = new Fault('Stopped', 'stopped');
    expect(toFault(fault)).toBe(fault);
  });
});

describe('the list of reasons', () => {
  it('is closed: a word from an object prototype is no reason', () => {
    expect(isReason('toString')).toBe(false);
    expect(isReason('StoreFull')).toBe(true);
  });

  it.each(Object.entries(reasons))(
    '%s says what it means and what to do, in whole sentences',
    (word, { meaning, hint }) => {
      expect(word).toMatch(/^[A-Z][A-Za-z]+$/);
      expect(meaning).toMatch(/^[A-Z].*\.$/);
      expect(hint).toMatch(/^[A-Z].*\.$/);
    },
  );
});
