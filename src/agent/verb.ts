import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { TaskServer, TaskStore } from '../contract/task.ts';
import type { ServerAccess, Steps } from '../engine/engine.ts';
import { openStore } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';
import type { ProgressWriter } from './progress.ts';
import type { TaskRoot } from './task-root.ts';

/** What every verb works with. */
export interface VerbContext {
  root: TaskRoot;
  clock: Clock;
  log: Logger;
  /** Aborted with a Fault that says why: Stopped or DeadlineExceeded. */
  signal: AbortSignal;
  progress: ProgressWriter;
  /** The version of this program, for the manifest. */
  version: string;
  objectBytes: number;
  /** The tool container; asked for only by verbs that need it, because it may take long to come. */
  openSteps(): Promise<Steps>;
}

/** Opens the store of a task with the secrets that it names. The caller closes it. */
export async function openTaskStore(store: TaskStore, { root, clock, log }: VerbContext): Promise<Store> {
  if (store.kind === 'filesystem') return openStore(store, { clock, log });
  const { ca, accessKeyId, secretAccessKey, endpoint, ...config } = store;
  return openStore(
    {
      ...config,
      ...(endpoint === undefined ? {} : { endpoint }),
      accessKeyId: await root.readSecret(accessKeyId),
      secretAccessKey: await root.readSecret(secretAccessKey),
      ...(ca === undefined ? {} : { caPem: await root.readSecret(ca) }),
    },
    { clock, log },
  );
}

export async function accessOf(server: TaskServer, object: string, { root }: VerbContext): Promise<ServerAccess> {
  const { host, port, tls } = server;
  return {
    host,
    port,
    username: await root.readSecret(server.username),
    password: await root.readSecret(server.password),
    tls: { mode: tls.mode, ...(tls.ca === undefined ? {} : { caPem: await root.readSecret(tls.ca) }) },
    applicationName: `backstay ${object}`,
  };
}
