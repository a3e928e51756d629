import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { FilesystemStore } from './filesystem/filesystem-store.ts';
import type { S3Config } from './s3/client.ts';
import { S3Store } from './s3/s3-store.ts';
import type { Store } from './store.ts';

export type StoreConfig = FilesystemConfig | S3Config;

export interface FilesystemConfig {
  kind: 'filesystem';
  name: string;
  /** An existing directory; it is never created, because a missing one is most likely a volume that is not mounted. */
  path: string;
}

/** Opens a store by its kind. Nothing is sent before the first call. Whoever opens it closes it. */
export function openStore(config: StoreConfig, surroundings: { clock: Clock; log?: Logger }): Store {
  switch (config.kind) {
    case 'filesystem':
      return new FilesystemStore(config.name, config.path);
    case 's3':
      return new S3Store(config, surroundings);
  }
}
