import { describe, expect, it } from '@jest/globals';
import { encodeDocument } from '../../../src/catalog/document.ts';
import { manifestKey } from '../../../src/catalog/layout.ts';
import { decodeManifest, encodeManifest, type Manifest } from '../../../src/catalog/manifest.ts';
import { sampleSet } from '../../harness/sample-set.ts';

const attempt = { lineage: 'pg-7301-0a1b2c3d', runUid: 'run-1', attempt: 'aa01' };
const { manifest } = sampleSet(attempt);
const key = manifestKey(attempt);

/** The manifest with one place changed, as bytes. */
function changed(change: (value: Manifest) => void): Uint8Array {
  const copy = structuredClone(manifest);
  change(copy);
  return encodeDocument(copy);
}

describe('the manifest', () => {
  it('comes back as it was written, and equal manifests are equal bytes', () => {
    expect(decodeManifest(encodeManifest(manifest), key)).toEqual(manifest);
    const reordered = Object.fromEntries(Object.entries(manifest).reverse()) as unknown as Manifest;
    expect(encodeManifest(reordered)).toEqual(encodeManifest(manifest));
    expect(Buffer.from(encodeManifest(manifest)).toString()).toMatch(/\n {2}"agentVersion": .*\n[\s\S]*\n$/);
  });

  it('of a newer format is refused as such, whatever else it holds', () => {
    const newer = encodeDocument({ formatVersion: 2, everything: 'different' });
    expect(() => decodeManifest(newer, key)).toThrow(expect.objectContaining({ reason: 'FormatNewer', where: key }));
  });

  it('may hold more than this version knows', () => {
    expect(decodeManifest(encodeDocument({ ...manifest, later: 1 }), key)).toEqual(manifest);
  });

  it('under the key of another set is refused, sound as it is', () => {
    const elsewhere = manifestKey({ ...attempt, runUid: 'run-2' });
    expect(() => decodeManifest(encodeManifest(manifest), elsewhere)).toThrow(
      expect.objectContaining({
        reason: 'DataCorrupt',
        where: elsewhere,
        message: expect.stringMatching(/another set/),
      }),
    );
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['is empty', new Uint8Array(), /not JSON/],
    ['is cut', encodeManifest(manifest).subarray(0, 300), /not JSON/],
    ['is not UTF-8', Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]), /not JSON/],
    ['is a list', encodeDocument([]), /damaged/],
    ['has no version', encodeDocument({ ...manifest, formatVersion: undefined }), /formatVersion/],
    ['has a damaged digest', changed((m) => (m.objects[1]!.storedSha256 = 'xyz')), /objects\.1\.storedSha256/],
    ['has a negative size', changed((m) => (m.objects[0]!.storedBytes = -1)), /objects\.0\.storedBytes/],
    ['has no object', changed((m) => (m.objects = [])), /objects/],
    ['has a wrong total', changed((m) => (m.totals.plainBytes += 1)), /totals\.plainBytes/],
    ['names an object twice', changed((m) => (m.objects[1]!.key = m.objects[0]!.key)), /twice/],
    [
      'names an object of another attempt',
      changed((m) => (m.objects[0]!.key = m.objects[0]!.key.replace('aa01', 'bb'))),
      /attempt/,
    ],
    ['names an object outside', changed((m) => (m.details.key = '../../etc/passwd')), /attempt/],
    ['is of another run', changed((m) => (m.runUid = 'run-2')), /attempt|another set/],
    ['names an attempt that is a path', changed((m) => (m.attempt = '../x')), /attempt/],
  ])('that %s is refused with the place', (_, bytes, message) => {
    expect(() => decodeManifest(bytes, key)).toThrow(
      expect.objectContaining({ reason: 'DataCorrupt', where: key, message: expect.stringMatching(message) }),
    );
  });
});
