/** The four kinds that Backstay owns. */
export const kinds = ['BackupPolicy', 'BackupRun', 'RestoreRequest', 'BackupGrant'] as const;
export type Kind = (typeof kinds)[number];

export interface OwnerReference {
  apiVersion: string;
  kind: Kind;
  name: string;
  uid: string;
  controller: true;
}

export interface Metadata {
  name: string;
  namespace: string;
  uid: string;
  /** Changes at every write; an opaque word, compared for equality only. */
  resourceVersion: string;
  /** Grows by one when the spec changes. */
  generation: number;
  /** RFC 3339. */
  creationTimestamp: string;
  /** Set when somebody deleted the object while finalizers hold it. */
  deletionTimestamp?: string;
  finalizers?: string[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
}

/** An object as it is stored: the spec has not been validated by us, an older or newer schema may have let it in. */
export interface Resource<Spec = unknown, Status = unknown> {
  apiVersion: string;
  kind: Kind;
  metadata: Metadata;
  spec: Spec;
  status?: Status;
}

/** What a caller gives to create an object. */
export interface Draft {
  kind: Kind;
  metadata: Pick<Metadata, 'name' | 'namespace'> &
    Pick<Partial<Metadata>, 'labels' | 'annotations' | 'ownerReferences' | 'finalizers'>;
  spec: unknown;
}

export interface ObjectKey {
  namespace: string;
  name: string;
}

export const keyOf = ({ metadata }: Resource): ObjectKey => ({ namespace: metadata.namespace, name: metadata.name });

/** The policy that a run names, in its own namespace. */
export function policyNameOf({ kind, spec }: Resource): string | undefined {
  if (kind !== 'BackupRun') return undefined;
  const { policyName } = (spec ?? {}) as { policyName?: unknown };
  return typeof policyName === 'string' ? policyName : undefined;
}
