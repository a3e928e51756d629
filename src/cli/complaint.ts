import { Fault } from '../base/fault.ts';
import { ApiError } from '../cluster/kubernetes/api-error.ts';
import { ObjectsError } from '../cluster/objects.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { faultOf } from './fault-of.ts';

const codes = { Usage: exitCodes.usage, Refused: exitCodes.refused, Missing: exitCodes.failed } as const;

/** A wrong or refused command line. Everything else that goes wrong is a Fault or an ObjectsError. */
export class CommandError extends Error {
  readonly reason: keyof typeof codes;
  readonly hint: string;

  constructor(reason: keyof typeof codes, message: string, hint: string) {
    super(message);
    this.name = 'CommandError';
    this.reason = reason;
    this.hint = hint;
  }
}

/** What the person is told, in three parts, and the exit code. */
export interface Complaint {
  exitCode: ExitCode;
  /** One word: a reason of the lists in docs/spec, or one of the command line: Usage, Refused, Missing, NotAllowed, Unavailable, Conflict. */
  reason: string;
  message: string;
  /** What to do, a whole sentence. */
  hint: string;
}

/** Whatever was thrown, for the person at the command line. */
export function complaintOf(thrown: unknown): Complaint {
  if (thrown instanceof CommandError) {
    const { reason, message, hint } = thrown;
    return { exitCode: codes[reason], reason, message, hint };
  }
  if (thrown instanceof ObjectsError && !(thrown.cause instanceof Fault)) {
    const complaint = complaintOfObjects(thrown);
    if (complaint !== undefined) return complaint;
  }
  const { reason, sentence, hint } = faultOf(thrown);
  return { exitCode: exitCodes.failed, reason, message: sentence, hint };
}

function complaintOfObjects(thrown: ObjectsError): Complaint | undefined {
  const { code, message } = thrown;
  const status = thrown instanceof ApiError ? thrown.status : undefined;
  if (status === 401) {
    return {
      exitCode: exitCodes.notAllowed,
      reason: 'NotAllowed',
      message: `the API server does not know who asks: ${message}`,
      hint: 'Log in again, or name another context or kubeconfig; see who you are with: kubectl auth whoami.',
    };
  }
  switch (code) {
    case 'Forbidden':
      return { exitCode: exitCodes.notAllowed, reason: 'NotAllowed', message, hint: hintForRight(message) };
    case 'Conflict':
    case 'AlreadyExists':
      return {
        exitCode: exitCodes.failed,
        reason: 'Conflict',
        message,
        hint: 'Change it by what manages it (the message names it), or take it over: kubectl apply --server-side --force-conflicts -f FILE.',
      };
    case 'Unavailable': {
      // The path itself is not served: the API server is there, and does not know our kinds.
      const fault = status === 404 ? new Fault('KindsMissing', message) : undefined;
      if (fault !== undefined)
        return { exitCode: exitCodes.failed, reason: fault.reason, message: fault.sentence, hint: fault.hint };
      const hint =
        status === undefined
          ? 'Look at the disk of the home, and at the rights on it.'
          : 'Check the context, the network and the server: kubectl cluster-info.';
      return { exitCode: exitCodes.failed, reason: 'Unavailable', message, hint };
    }
    default:
      return undefined;
  }
}

/** The API server names verb, resource and namespace; with them the right can be asked for and checked. */
function hintForRight(message: string): string {
  const said = /cannot (\w+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?/.exec(message);
  if (said === null) return 'Ask whoever looks after the cluster or the home for that right.';
  const [, verb, resource, group, namespace] = said;
  const name = group === '' ? resource : `${resource}.${group}`;
  return `Ask for that right; check it with: kubectl auth can-i ${verb} ${name}${namespace === undefined ? ' -A' : ` -n ${namespace}`}.`;
}

/** For a place where one line has to do, such as a part of a report that could not be gathered. */
export const sentenceOf = (thrown: unknown): string => {
  const { reason, message } = complaintOf(thrown);
  return `${reason}: ${message}`;
};
