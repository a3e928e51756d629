import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { checkKey, checkListPrefix, compareKeys, isCallersKey } from '../../../src/store/keys.ts';

const refused = expect.objectContaining({ reason: 'Internal' });

describe('the keys of a store', () => {
  it.each(['', '/', 'a/', '/a', 'a//b', '.', '..', 'a/..', '../a', '.hidden', 'a/.b/c', 'a\0', 'a\tb', 'a\u007f'])(
    '%j is refused',
    (key) => {
      expect(() => checkKey(key)).toThrow(refused);
      expect(isCallersKey(key)).toBe(false);
    },
  );

  it('a segment longer than a file name and a key longer than S3 takes are refused, counted in bytes', () => {
    expect(() => checkKey('a'.repeat(255))).not.toThrow();
    expect(() => checkKey('ä'.repeat(128))).toThrow(refused);
    expect(() => checkKey('a/'.repeat(511) + 'ab')).not.toThrow();
    expect(() => checkKey('a/'.repeat(512) + 'a')).toThrow(refused);
  });

  it('no accepted key leaves the root, whatever it is made of', () => {
    const segment = fc.oneof(fc.constantFrom('.', '..', '', 'a', '...', '.x', ' '), fc.string({ maxLength: 5 }));
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), (segments) => {
        const key = segments.join('/');
        if (!isCallersKey(key)) return;
        expect(new URL(`file:///root/${key.split('/').map(encodeURIComponent).join('/')}`).pathname).toMatch(
          /^\/root\/./,
        );
      }),
    );
  });

  it('the prefix of a listing is empty or ends in a slash', () => {
    expect(() => checkListPrefix('')).not.toThrow();
    expect(() => checkListPrefix('a/b/')).not.toThrow();
    for (const prefix of ['a', '/', 'a//', '../']) expect(() => checkListPrefix(prefix)).toThrow(refused);
  });

  it('keys are ordered by their UTF-8 bytes', () => {
    expect(['\u{1f418}', '\uffee', 'a/b', 'a-b', 'Z'].sort(compareKeys)).toEqual([
      'Z',
      'a-b',
      'a/b',
      '\uffee',
      '\u{1f418}',
    ]);
  });
});
