import type { KindName } from './names.ts';

/** The conditions of kstatus: with them `kubectl wait`, Flux and Argo CD understand every kind. */
export const conditionTypes = {
  Ready: 'True: as the object asks. False: not so, and the reason says why. Unknown: work goes on.',
  Reconciling: 'True while work goes on or waits for something. Absent otherwise.',
  Stalled: 'True when nothing more will happen until a person acts. Absent otherwise.',
} as const;

/** Reasons of conditions that are not failures. With `base/reasons.ts` this is the whole list; event reasons are the same words. */
export const stateReasons = {
  BackupPolicy: {
    Scheduled: 'The newest backup succeeded and the next run is planned.',
    NeverRun: 'No run has succeeded yet: there is nothing to restore from.',
    ByHand: 'The newest backup succeeded; there is no schedule, so runs are made by hand.',
    Suspended: 'spec.suspend is true: no run is started.',
    ReadOnly: 'Another cluster or home owns the repository: it can be restored from here, not written to.',
  },
  BackupRun: {
    Pending: 'The run waits for its turn: one run at a time for each policy.',
    Suspended: 'The policy is suspended: the run waits until it is not.',
    Starting: 'A task was asked for and has not begun.',
    Running: 'The backup runs.',
    Retrying: 'An attempt failed by what may have been an accident; the next one is about to start.',
    Inspecting: 'An attempt ended without a word: its manifest is looked for in the store.',
    Stopping: 'The run was deleted: its task is being stopped.',
    Succeeded: 'The backup is in the store and its manifest is written.',
  },
  RestoreRequest: {
    Validating: 'The backup to restore is looked for. Nothing is touched.',
    Preparing: 'The task was asked for and has not begun. Nothing is touched.',
    Replaying: 'The backup is being checked, restored and compared.',
    Stopping: 'The request was deleted: its task is being stopped.',
    Succeeded: 'The database is restored and equals what was backed up.',
  },
} as const satisfies Record<KindName, Record<string, string>>;

export type StateReason<Kind extends KindName> = keyof (typeof stateReasons)[Kind];
