import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where everything that is downloaded or built stays between runs. Deleting it costs time, never data. */
export const cacheDir = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'backstay');

/** All that a running one-machine cluster leaves on disk; gone after `down`. */
export const clusterDir = join(cacheDir, 'cluster');

/** The top of the checkout. */
export const checkoutDir = join(import.meta.dirname, '..', '..', '..');

/** Says on which cluster `up` settled; read by `status`, `down` and the tests. */
export const settledFile = join(cacheDir, 'settled-cluster.json');
