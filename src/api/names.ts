import { Fault } from '../base/fault.ts';

/** The names under which the world knows our kinds. They are written into users' YAML and never change. */
export const group = 'backstay.dev';
export const version = 'v1alpha1';
export const apiVersion = `${group}/${version}`;
export const category = 'backstay';

/** Plural and short name of each kind; the order is the order of the documentation. */
export const kindNames = {
  BackupPolicy: { plural: 'backuppolicies', singular: 'backuppolicy', shortName: 'bp' },
  BackupRun: { plural: 'backupruns', singular: 'backuprun', shortName: 'br' },
  RestoreRequest: { plural: 'restorerequests', singular: 'restorerequest', shortName: 'rr' },
  BackupGrant: { plural: 'backupgrants', singular: 'backupgrant', shortName: 'bgr' },
} as const;
export type KindName = keyof typeof kindNames;

/** Held by a run or a request while a task of it may be running: the task is stopped before the object goes. */
export const taskFinalizer = `${group}/task`;

/** The policy whose schedule made the run, and the schedule: for selecting with `kubectl get br -l`. */
export const policyLabel = `${group}/policy`;
export const scheduleLabel = `${group}/schedule`;
/** RFC 3339: the tick that the run stands for. */
export const tickAnnotation = `${group}/tick`;

/** What finds the operator's Deployment and pods, whatever name the release gave them. */
export const operatorSelector = 'app.kubernetes.io/part-of=backstay,app.kubernetes.io/component=operator';

/** Tasks are called after their run or request, with up to 13 characters more, and a Job's name ends at 63. */
export const nameMaxLength: Record<KindName, number> = {
  BackupPolicy: 63,
  BackupRun: 50,
  RestoreRequest: 50,
  BackupGrant: 63,
};

/** Throws SpecInvalid. The API server knows the limit from the CRD; files on one machine do not. */
export function checkNameLength(kind: KindName, name: string): void {
  if (name.length <= nameMaxLength[kind]) return;
  const message = `metadata.name has more than ${nameMaxLength[kind]} characters`;
  throw new Fault('SpecInvalid', message, { where: 'metadata.name', hint: 'Give it a shorter name.' });
}
