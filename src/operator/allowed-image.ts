import { Fault } from '../base/fault.ts';
import { nameFew } from '../base/short-text.ts';

/**
 * Throws ImageNotAllowed when the image is none of those allowed; an empty list allows every image. An entry is an image
 * with or without tag and digest, and `*` in it stands for any text: `postgres`, `postgres:18`, `registry.example.com/db/*`.
 * One without tag allows all tags and digests; one with a tag fits no image by digest, as nothing says which digest the tag
 * stands for. Short names mean what they mean to a node: `postgres` is `docker.io/library/postgres`.
 */
export function checkImageAllowed(image: string, allowed: readonly string[]): void {
  if (allowed.length === 0) return;
  const whole = fullName(image);
  const repository = withoutTag(whole);
  if (allowed.map((entry) => pattern(fullName(entry))).some((entry) => entry.test(whole) || entry.test(repository))) {
    return;
  }
  throw new Fault('ImageNotAllowed', `image ${image} is not allowed here; allowed are ${nameFew(allowed)}`);
}

/**
 * The image as a node completes it: the rule of github.com/distribution/reference, splitDockerDomain, which containerd and
 * CRI-O follow. A host has a dot, a port or a capital letter in it, or is localhost; a `*` may stand for one.
 */
function fullName(image: string): string {
  const [first = '', ...rest] = image.split('/');
  const isHost = rest.length > 0 && (/[.:*]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  if (!isHost && first.startsWith('*')) return image;
  const host = isHost ? first : 'docker.io';
  const path = isHost ? rest.join('/') : image;
  if (host !== 'docker.io' && host !== 'index.docker.io') return image;
  return path.includes('/') || path.startsWith('*') ? `docker.io/${path}` : `docker.io/library/${path}`;
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
