import type { BackupPolicySpec } from '../api/backup-policy.ts';
import type { Mode } from '../api/mode.ts';
import type { TaskRecord } from '../api/status-field.ts';
import { Fault } from '../base/fault.ts';
import { reasons } from '../base/reasons.ts';
import { ObjectsError } from '../cluster/objects.ts';
import type { Workloads } from '../cluster/workloads.ts';
import { checkImageAllowed } from './allowed-image.ts';
import { type Failure, failureOf } from './judge-task.ts';

/** Where images of tools come from, and which may be run. */
export interface ToolImageOptions {
  mode: Mode;
  /** Kubernetes only. */
  workloads?: Workloads | undefined;
  /** As `checkImageAllowed` has them. */
  allowedImages?: readonly string[] | undefined;
}

/** What a policy says of it. */
export interface ImageSource extends Pick<BackupPolicySpec, 'toolImages'> {
  target: Pick<BackupPolicySpec['target'], 'workload' | 'port'>;
}

export interface WantedImage {
  policy: ImageSource;
  /** Where the policy is, and its workload. */
  namespace: string;
  /** What the object itself names: that comes first. */
  named?: string | undefined;
  /** The image with which the backup was made: when the server is gone, the one thing that is known of it. */
  recorded?: string | undefined;
}

/** What the record of a task that is about to be asked for must say before it is. */
export type ImageChoice =
  /** There is nothing to choose, or it is chosen. */
  | { kind: 'settled' }
  | { kind: 'chosen'; record: TaskRecord }
  /** Something is missing that may come until the deadline of the record. */
  | { kind: 'held-up'; record: TaskRecord; reason: string; message: string }
  | { kind: 'refused'; failure: Failure };

/**
 * The image of the tools for one task: the one that is named, else the one that the workload runs now, else the one that is
 * recorded. Once it is in the record it does not change any more. Throws what the cluster throws when it does not answer.
 */
export async function chooseImage(
  record: TaskRecord,
  wanted: WantedImage,
  options: ToolImageOptions,
): Promise<ImageChoice> {
  if (options.mode === 'standalone' || record.toolImage !== undefined) return { kind: 'settled' };
  try {
    const toolImage = await imageFor(wanted, options);
    checkImageAllowed(toolImage, options.allowedImages ?? []);
    const { waitingFor: _came, ...rest } = record;
    return { kind: 'chosen', record: { ...rest, toolImage } };
  } catch (error) {
    const notYet = refusedForNow(record, error);
    if (notYet !== undefined) return notYet;
    if (!(error instanceof Fault)) throw error;
    const { reason, sentence: message, hint } = error;
    if (reasons[reason].retry === 'never') return { kind: 'refused', failure: failureOf(reason, message, hint) };
    return { kind: 'held-up', record: { ...record, waitingFor: { reason, message } }, reason, message };
  }
}

/** The same, for the first record of the task: undefined when there is none, or none yet. */
export async function imageForIntent(wanted: WantedImage, options: ToolImageOptions): Promise<string | undefined> {
  const choice = await chooseImage({ startedAt: '', startBy: '', runningDeadline: '' }, wanted, options);
  return choice.kind === 'chosen' ? choice.record.toolImage : undefined;
}

async function imageFor({ policy, namespace, named, recorded }: WantedImage, { workloads }: ToolImageOptions) {
  const given = named ?? policy.toolImages?.dump;
  if (given !== undefined) return given;
  const { workload, port } = policy.target;
  if (workload === undefined || workloads === undefined) {
    if (recorded !== undefined) return recorded;
    throw new Fault('SpecInvalid', 'no image with the tool of the database is named', {
      where: 'spec.toolImages',
      hint: 'Name an image that has the tool, such as the one that the server runs.',
    });
  }
  const { kind, name, container } = workload;
  try {
    return await workloads.runningImage({ kind, name, namespace }, { name: container, port });
  } catch (error) {
    const isGone = error instanceof Fault && ['ReferenceMissing', 'WorkloadNotRunning'].includes(error.reason);
    if (isGone && recorded !== undefined) return recorded;
    throw error;
  }
}

/** The cluster takes no such task now, and may later: a quota is used up, an admission policy objects, or a right is missing. */
export function refusedForNow(
  record: TaskRecord,
  error: unknown,
): Extract<ImageChoice, { kind: 'held-up' }> | undefined {
  if (!(error instanceof ObjectsError) || error.code !== 'Forbidden') return undefined;
  const waitingFor = { reason: 'PodRefused', message: error.message };
  return { kind: 'held-up', record: { ...record, waitingFor }, ...waitingFor };
}
