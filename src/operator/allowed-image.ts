import { Fault } from '../base/fault.ts';

/**
 * Throws ImageNotAllowed when the image is none of those allowed; an empty list allows every image. An entry is an image
 * with or without tag and digest, and `*` in it stands for any text: `postgres`, `postgres:18`, `registry.example.com/db/*`.
 * One without tag allows all tags and digests. Short names mean what they mean to a node: `postgres` is `docker.io/library/postgres`.
 */
export function checkImageAllowed(image: string, allowed: readonly string[]): void {
  if (allowed.length === 0) return;
  const whole = fullName(image);
  const repository = withoutTag(whole);
  if (allowed.map((entry) => pattern(fullName(entry))).some((entry) => entry.test(whole) || entry.test(repository))) {
    return;
  }
  throw new Fault('ImageNotAllowed', `image ${image} is not allowed here; allowed are ${allowed.join(', ')}`);
}

function fullName(image: string): string {
  const [first = '', ...rest] = image.split('/');
  // What stands before the first slash is a registry when it looks like a host; a pattern may stand for one.
  if (rest.length > 0 && (/[.:*]/.test(first) || first === 'localhost')) return image;
  if (first.startsWith('*')) return image;
  return rest.length > 0 ? `docker.io/${image}` : `docker.io/library/${image}`;
}

// A colon before the last slash is the port of the registry.
const withoutTag = (image: string): string => image.replace(/@[^/]*$/, '').replace(/:[^/:]*$/, '');

const pattern = (entry: string): RegExp =>
  new RegExp(
    `^${entry
      .split('*')
      .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
    's',
  );
