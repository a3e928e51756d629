import { Fault } from '../base/fault.ts';

// S3's limit for a whole key, and the limit of nearly every file system for one name.
const longestKeyBytes = 1024;
const longestSegmentBytes = 255;

/**
 * Refuses, with `Internal`, a key that could leave the store's root or that some store could not hold: keys are made by
 * our own code, so a bad one is a defect. Segments that begin with a dot belong to the drivers (temporary files, the
 * probe) and to the file systems themselves (`.snapshot`, `.nfs...`): no key has one, and no listing shows one.
 */
export function checkKey(key: string): void {
  const wrong =
    Buffer.byteLength(key) > longestKeyBytes
      ? `longer than ${longestKeyBytes} bytes`
      : key.split('/').map(wrongWithSegment).find(Boolean);
  if (wrong) throw new Fault('Internal', `"${key}" cannot be the key of an object: ${wrong}`);
}

/** The same for the prefix of a listing: empty, or a key followed by `/`. */
export function checkListPrefix(prefix: string): void {
  if (prefix === '') return;
  if (!prefix.endsWith('/')) throw new Fault('Internal', `the prefix "${prefix}" does not end in "/"`);
  checkKey(prefix.slice(0, -1));
}

/** Whether an object found under the root is one of those that callers may see. */
export function isCallersKey(key: string): boolean {
  return !key.split('/').some((segment) => wrongWithSegment(segment) !== undefined);
}

/** Key order is the order of the UTF-8 bytes, as S3 lists; JavaScript's own order differs beyond U+FFFF. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function wrongWithSegment(segment: string): string | undefined {
  if (segment === '') return 'it has an empty segment';
  if (segment.startsWith('.')) return `its segment "${segment}" begins with a dot`;
  if (/[\u0000-\u001f\u007f]/.test(segment)) return 'it has a control character';
  if (Buffer.byteLength(segment) > longestSegmentBytes) return `a segment is longer than ${longestSegmentBytes} bytes`;
  return undefined;
}
