import type { KindName } from './names.ts';

/** The conditions of kstatus: with them `kubectl wait`, Flux and Argo CD understand every kind. */
export const conditionTypes = {
  Ready: 'True: as the object asks. False: not so, and the reason says why. Unknown: work goes on.',
  Reconciling: 'True while work goes on or waits for something. Absent otherwise.',
  Stalled: 'True when nothing more will happen until a person acts. Absent otherwise.',
} as const;

export interface StateFacts {
  meaning: string;
  /** The status of Ready that comes with the reason: True at rest, Unknown while work goes on. */
  ready: 'True' | 'Unknown';
}

const atRest = (meaning: string): StateFacts => ({ meaning, ready: 'True' });
const atWork = (meaning: string): StateFacts => ({ meaning, ready: 'Unknown' });

/** Reasons of conditions that are not failures. With `base/reasons.ts` this is the whole list; event reasons are the same words. */
export const stateReasons = {
  BackupPolicy: {
    Scheduled: atRest('The newest run succeeded and the next one is planned.'),
    NeverRun: atRest('No run has ended yet: there is nothing to restore from.'),
    ByHand: atRest('The newest run succeeded; no schedule will make another one, so runs are made by hand.'),
    Suspended: atRest('spec.suspend is true: no run is started.'),
    ReadOnly: atRest('Another cluster or home owns the repository: it can be restored from here, not written to.'),
  },
  BackupRun: {
    Pending: atWork('The run waits for its turn: one task at a time for each server, and so many runs at once.'),
    Suspended: atWork('The policy is suspended: the run waits until it is not.'),
    Starting: atWork('A task was asked for and has not begun.'),
    Running: atWork('The backup runs.'),
    Retrying: atWork('An attempt failed by what may have been an accident; the next one is about to start.'),
    Inspecting: atWork('An attempt ended without a word: its manifest is looked for in the store.'),
    Stopping: atWork('The run was deleted: its task is being stopped.'),
    Succeeded: atRest('The backup is in the store and its manifest is written.'),
  },
  RestoreRequest: {
    Pending: atWork('The request waits for its turn: one task at a time for each server. Nothing is touched.'),
    Preparing: atWork('The task was asked for and has not begun. Nothing is touched.'),
    Replaying: atWork('The backup is being checked, restored and compared.'),
    Stopping: atWork('The request was deleted: its task is being stopped.'),
    Succeeded: atRest('The database is restored and equals what was backed up.'),
  },
  BackupGrant: {
    Granted: atRest('The namespaces may restore from the backups of this one.'),
  },
} as const satisfies Record<KindName, Record<string, StateFacts>>;

export type StateReason<Kind extends KindName> = keyof (typeof stateReasons)[Kind];
