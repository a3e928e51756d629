import { access, constants, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../base/fault.ts';
import type { SecretMount } from '../runner.ts';

const fileName = /^[-._a-zA-Z0-9]{1,253}$/;

/** Throws SpecInvalid for a name that could lead out of its directory. */
export function refuseBadNames(secrets: readonly SecretMount[]): void {
  for (const { mount, secretName, keys } of secrets) {
    for (const name of [mount, secretName, ...Object.keys(keys), ...Object.values(keys)]) {
      if (fileName.test(name) && name !== '.' && name !== '..') continue;
      throw new Fault('SpecInvalid', `${JSON.stringify(name)} cannot be the name of a secret or of a key in it`);
    }
  }
}

/** Where a secret's key lies: `<secrets>/<namespace>/<secret>/<key>`. */
export const secretFile = (secrets: string, namespace: string, secretName: string, key: string): string =>
  join(secrets, namespace, secretName, key);

/** The first thing that keeps the task from its secrets, with what to type; undefined when all is there and safe. */
export async function missingSecret(
  secrets: string,
  namespace: string,
  mounts: readonly SecretMount[],
): Promise<string | undefined> {
  for (const { secretName, keys } of mounts) {
    for (const key of Object.keys(keys)) {
      const problem = await problemOf(secretFile(secrets, namespace, secretName, key));
      if (problem !== undefined) return `secret ${secretName}, key ${key}: ${problem}`;
    }
  }
  return undefined;
}

async function problemOf(path: string): Promise<string | undefined> {
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => ({ error }));
  if ('error' in facts) {
    return facts.error.code === 'ENOENT' || facts.error.code === 'ENOTDIR'
      ? `there is no file ${path}. Make it with mode 0600: install -D -m 600 /dev/stdin ${path}`
      : `${path} cannot be looked at: ${facts.error.message}`;
  }
  if (!facts.isFile()) return `${path} is not a regular file`;
  // A secret that others can read is none: ssh refuses such a key, and so do we.
  if ((facts.mode & 0o077) !== 0) {
    return `others may read ${path} (mode ${(facts.mode & 0o777).toString(8).padStart(4, '0')}). Type: chmod 600 ${path}`;
  }
  const readable = await access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
  return readable ? undefined : `${path} belongs to somebody else and cannot be read`;
}
