import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  detailsKey,
  intentKey,
  lineageKey,
  lineageOfFolder,
  manifestKey,
  objectKey,
  ownerKey,
  ownerNumber,
  parseSetKey,
} from '../../../src/catalog/layout.ts';

const attempt = {
  lineage: 'pg-7301-0a1b2c3d',
  runUid: '5d3e7c1e-0000-4000-8000-000000000001',
  attempt: 'a1b2c3d4e5f60718',
};
const name = fc.stringMatching(/^[0-9A-Za-z][0-9A-Za-z-]{0,30}$/);

describe('the keys of a repository', () => {
  it('are those of docs/format.md', () => {
    const set = `${attempt.lineage}/sets/${attempt.runUid}`;
    expect(ownerKey(1)).toBe('owner/000001.json');
    expect(lineageKey(attempt.lineage)).toBe('pg-7301-0a1b2c3d/lineage.json');
    expect(intentKey(attempt)).toBe(`${set}/intent-a1b2c3d4e5f60718.json`);
    expect(manifestKey(attempt)).toBe(`${set}/manifest.json`);
    const zstdAge = { compression: 'Zstd', encrypted: true } as const;
    expect(objectKey(attempt, 'data', 1, 'dump', zstdAge)).toBe(`${set}/a1b2c3d4e5f60718/data-00001.dump.zst.age`);
    expect(detailsKey(attempt, zstdAge)).toBe(`${set}/a1b2c3d4e5f60718/details.json.zst.age`);
    expect(detailsKey(attempt, { compression: 'Gzip', encrypted: false })).toMatch(/details\.json\.gz$/);
    expect(objectKey(attempt, 'data', 12, 'dump', { compression: 'None', encrypted: true })).toMatch(
      /data-00012\.dump\.age$/,
    );
  });

  it('are understood again', () => {
    fc.assert(
      fc.property(name, name, name, (lineage, runUid, id) => {
        const it = { lineage, runUid, attempt: id };
        expect(parseSetKey(manifestKey(it))).toEqual({ kind: 'manifest', lineage, runUid });
        expect(parseSetKey(intentKey(it))).toEqual({ kind: 'intent', ...it });
        const object = objectKey(it, 'data', 3, 'dump', { compression: 'Zstd', encrypted: true });
        expect(parseSetKey(object)).toEqual({ kind: 'object', ...it });
      }),
    );
  });

  it('never take what no rule makes for ours', () => {
    for (const key of [
      'backstay.json',
      'pg-1-00000000/lineage.json',
      'pg-1-00000000/sets/run/notes/1-hold.json/x',
      'pg-1-00000000/sets/run/readme.txt',
      'pg-1-00000000/sets/run/intent-.json',
      'pg-1-00000000/other/run/manifest.json',
      'pg-1-00000000/sets/run/a/b/c',
    ]) {
      expect(parseSetKey(key)).toBeUndefined();
    }
  });

  it('cannot be made of names that would leave their folder', () => {
    for (const bad of ['', '..', 'a/b', '.a', 'a b', '-a']) {
      expect(() => manifestKey({ ...attempt, runUid: bad })).toThrow(expect.objectContaining({ reason: 'Internal' }));
    }
  });

  it('owner records count from 1, and nothing else is one', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 999_999 }), (n) => ownerNumber(ownerKey(n)) === n));
    for (const key of ['owner/1.json', 'owner/000001.json.bak', 'owner/abcdef.json'])
      expect(ownerNumber(key)).toBeUndefined();
  });

  it('a folder is a lineage by its form only', () => {
    expect(lineageOfFolder('pg-7301-0a1b2c3d/')).toBe('pg-7301-0a1b2c3d');
    for (const folder of ['owner/', 'pg-7301/', 'pg-7301-XYZ/', 'lost+found/'])
      expect(lineageOfFolder(folder)).toBeUndefined();
  });
});
