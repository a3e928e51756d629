import { existsSync, readFileSync } from 'node:fs';
import { settledFile } from './paths.ts';

/** A cluster that the tests and demos may use, and where it came from. */
export interface SettledCluster {
  way: 'named by the user' | 'kind' | 'one machine';
  kubeconfigPath: string;
  /** Only for a kubeconfig named by the user; left out: its current context. */
  context?: string;
}

/** The cluster that the last `up` settled on; undefined before it and after `down`. */
export function settledCluster(): SettledCluster | undefined {
  return existsSync(settledFile) ? (JSON.parse(readFileSync(settledFile, 'utf8')) as SettledCluster) : undefined;
}
