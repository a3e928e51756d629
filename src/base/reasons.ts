/**
 * Every reason a task, a run or a request can fail or wait for. The list is closed: it is the agent's exit name, the
 * condition's reason and the event's reason at once, so that one word found in a log leads to the documentation, the
 * alert and the code. `hint` is the fallback when the place that failed knows no better one.
 *
 * `retry`: `never` needs a person or a change; `once` is an accident that may not happen again; `backoff` heals by itself.
 */
export interface ReasonFacts {
  meaning: string;
  hint: string;
  retry: 'never' | 'once' | 'backoff';
}

const facts = <T extends Record<string, ReasonFacts>>(table: T): T => table;

export const reasons = facts({
  // --- the request itself ---
  SpecInvalid: {
    meaning: 'The object cannot mean anything as written.',
    hint: 'Correct the field that the message names and apply the object again.',
    retry: 'never',
  },
  ReferenceMissing: {
    meaning: 'An object that this one names does not exist.',
    hint: 'Create the named object in the same namespace, or correct the name.',
    retry: 'backoff',
  },
  ReferenceNotGranted: {
    meaning: 'An object in another namespace was named, and no BackupGrant there allows it.',
    hint: 'Have a BackupGrant applied in the namespace that is read from: docs/spec/v1alpha1/BackupGrant.md shows one.',
    retry: 'backoff',
  },
  NotSupportedHere: {
    meaning: 'The field or the way to run it has no meaning where Backstay runs now.',
    hint: 'Remove the field that the message names, or use the other way to run.',
    retry: 'never',
  },
  KindsMissing: {
    meaning: 'The cluster does not know the kinds of Backstay, or knows an older form of them.',
    hint: "Apply this version's kinds: kubectl apply --server-side -f crds/ (in the folder of the same version).",
    retry: 'backoff',
  },
  // --- secrets and keys ---
  SecretMissing: {
    meaning: 'A secret, or a key in it, is not there or is not safe to read.',
    hint: 'Create the secret with the key that the message names.',
    retry: 'backoff',
  },
  KeyInvalid: {
    meaning: 'An encryption recipient or identity is not one.',
    hint: 'Recipients begin with age1, identities with AGE-SECRET-KEY-1.',
    retry: 'never',
  },
  IdentityNotHere: {
    meaning: 'The backup is encrypted and no identity to open it was given here.',
    hint: 'Set spec.encryption.age.identity of the policy, or spec.source.identity of the request, to a secret that holds the age identity.',
    retry: 'never',
  },
  WrongKey: {
    meaning: 'The identity given does not open this backup.',
    hint: 'Use the identity whose public half is among the recipients that the manifest names.',
    retry: 'never',
  },
  // --- the database server ---
  ServerUnreachable: {
    meaning: 'The database server could not be reached.',
    hint: 'Check host, port, network policy, and that the server is up.',
    retry: 'backoff',
  },
  AuthenticationFailed: {
    meaning: 'The server refused user name or password.',
    hint: 'Check the secret of the role that the message names.',
    retry: 'never',
  },
  TlsFailed: {
    meaning: 'The encrypted connection could not be made as asked.',
    hint: 'Check spec.target.tls: the mode, the CA certificate, and the name in the certificate of the server.',
    retry: 'never',
  },
  PrivilegeMissing: {
    meaning: 'The role may not do what the task needs.',
    hint: 'Grant the privileges listed in docs/postgres.md.',
    retry: 'never',
  },
  DatabaseMissing: {
    meaning: 'The named database does not exist on the server.',
    hint: 'Correct the name, or create the database.',
    retry: 'never',
  },
  ServerLost: {
    meaning: 'The server ended the connection in mid work.',
    hint: 'Look into the log of the server for the same second: a restart, a kill, or no memory.',
    retry: 'once',
  },
  TableLocked: {
    meaning: 'Another session kept a table locked for longer than a backup waits.',
    hint: 'Make backups when no TRUNCATE, ALTER TABLE or VACUUM FULL runs for minutes; the message names the session.',
    retry: 'backoff',
  },
  VersionUnsupported: {
    meaning: 'These versions of tool, server and backup do not fit together.',
    hint: 'Use a tool at least as new as the server, and a target at least as new as the source.',
    retry: 'never',
  },
  // --- the tool ---
  ToolMissing: {
    meaning: 'The database tool is not where the task runs.',
    hint: 'Give an image, or a directory of tools, that has it.',
    retry: 'never',
  },
  ToolFailed: {
    meaning: 'The database tool ended with an error.',
    hint: 'The message holds the last lines that the tool wrote.',
    retry: 'never',
  },
  ToolLost: {
    meaning: 'The database tool vanished without an exit status.',
    hint: 'Look for an out-of-memory kill of the tool container; raise its limit in spec.jobs.resources.tool of the policy.',
    retry: 'once',
  },
  // --- the store ---
  StoreUnreachable: {
    meaning: 'The store did not answer.',
    hint: 'Check the endpoint, the network and that the service is up.',
    retry: 'backoff',
  },
  StoreDenied: {
    meaning: 'The store refused the credentials or the action.',
    hint: 'Check the keys and the rights on bucket and prefix, or the owner and mode of the directory.',
    retry: 'never',
  },
  StoreMissing: {
    meaning: 'The bucket or directory does not exist.',
    hint: 'Create the bucket or the directory; Backstay does not create what it does not own.',
    retry: 'never',
  },
  StoreFull: {
    meaning: 'The store has no space left.',
    hint: 'Free or add space; the half-written attempt is no backup and is removed.',
    retry: 'never',
  },
  StoreFailed: {
    meaning: 'The store answered with an error that is not one of the others.',
    hint: 'The message holds what the store said.',
    retry: 'backoff',
  },
  ReadOnly: {
    meaning: 'Another cluster or home owns this repository: here it may be read, not written.',
    hint: 'Use a prefix of its own, or take the repository over with a BackupRun that has spec.takeover: true.',
    retry: 'never',
  },
  FormatNewer: {
    meaning: 'The repository was written by a newer Backstay.',
    hint: 'Use that version or a newer one.',
    retry: 'never',
  },
  BackupMissing: {
    meaning: 'No such backup is in the store.',
    hint: 'List the runs of the policy and name one that has Succeeded.',
    retry: 'never',
  },
  DataCorrupt: {
    meaning: 'What lies in the store is not what was written there.',
    hint: 'Use another backup; keep this one as evidence and check the storage.',
    retry: 'never',
  },
  // --- the restore ---
  TargetNotEmpty: {
    meaning: 'The database to restore into already holds objects.',
    hint: 'Name an empty or a new database; nothing in the existing one was touched.',
    retry: 'never',
  },
  TargetUnfit: {
    meaning: 'The server or database to restore into cannot hold what is in the backup.',
    hint: 'Use a target with the encoding, the locale and the extensions that the message names.',
    retry: 'never',
  },
  RoleMissing: {
    meaning: 'Roles that own or may use what is in the backup do not exist on the target.',
    hint: 'Create the roles that the message names on the target first.',
    retry: 'never',
  },
  CheckFailed: {
    meaning: 'What was restored is not what was backed up.',
    hint: 'Do not use the restored database. The message names what differs.',
    retry: 'never',
  },
  // --- the machinery ---
  StartDeadlineExceeded: {
    meaning: 'The task did not start in time.',
    hint: 'The message says what it waited for: an image, a node, a secret or a volume.',
    retry: 'once',
  },
  ImageUnavailable: {
    meaning: 'An image of the task cannot be pulled.',
    hint: 'Check the name of the image, the registry and its pull secret.',
    retry: 'never',
  },
  ImageNotAllowed: {
    meaning: 'The operator is configured not to run this image.',
    hint: 'Use one of the images that the message names, or have it added to jobs.allowedImages of the operator.',
    retry: 'never',
  },
  WorkloadNotRunning: {
    meaning: 'No pod of the workload runs, so nobody knows which image the server has.',
    hint: 'Start the workload, or name an image in spec.toolImages.',
    retry: 'backoff',
  },
  Unschedulable: {
    meaning: 'No node takes the task.',
    hint: 'Look at the free memory and CPU of the nodes, their taints, and where the volume is.',
    retry: 'never',
  },
  PodRefused: {
    meaning: 'The cluster refuses the pod of the task.',
    hint: 'Look at quota, limits, admission policies and the Pod Security level of the namespace.',
    retry: 'never',
  },
  DeadlineExceeded: {
    meaning: 'The task did not end in time and was stopped.',
    hint: 'Raise spec.runningDeadline of the policy, or find out what made it slow.',
    retry: 'never',
  },
  AgentLost: {
    meaning: 'Nobody knows how the task ended, and the store holds no backup of it.',
    hint: 'Look for a lost node, or an out-of-memory kill: then raise spec.jobs.resources.agent of the policy.',
    retry: 'once',
  },
  Stopped: {
    meaning: 'The task was stopped on request.',
    hint: 'If nobody asked for it, a node was drained or a machine shut down: try again.',
    retry: 'never',
  },
  Internal: {
    meaning: 'Backstay met a case it does not know.',
    hint: 'Please report it with the message; the backup or restore did not succeed.',
    retry: 'never',
  },
});

export type Reason = keyof typeof reasons;

export function isReason(word: string): word is Reason {
  return Object.hasOwn(reasons, word);
}
