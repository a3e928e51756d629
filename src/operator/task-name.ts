import type { ObjectKey } from '../cluster/resource.ts';

/**
 * Names of tasks: deterministic, so that a task that was asked for twice is one task, and readable backwards, so that
 * news of a task lead to its object. No two objects of one namespace share one: a run's tasks end in a number or in
 * an inspection, a request's in `restore`.
 */
export const attemptTask = (run: string, attempt: number): string => `${run}-${attempt}`;

export const inspectionTask = (run: string, attempt: number, number: number): string =>
  number === 1 ? `${run}-${attempt}-inspect` : `${run}-${attempt}-inspect-${number}`;

export const restoreTask = (request: string): string => `${request}-restore`;

/** The run that a task belongs to, if it is a run's. */
export const runOfTask = ({ namespace, name }: ObjectKey): ObjectKey | undefined =>
  keyFrom(namespace, /^(.+)-[0-9]+-inspect(-[0-9]+)?$/.exec(name) ?? /^(.+)-[0-9]+$/.exec(name));

/** The request that a task belongs to, if it is a request's. */
export const requestOfTask = ({ namespace, name }: ObjectKey): ObjectKey | undefined =>
  keyFrom(namespace, /^(.+)-restore$/.exec(name));

const keyFrom = (namespace: string, match: RegExpExecArray | null): ObjectKey | undefined =>
  match?.[1] === undefined ? undefined : { namespace, name: match[1] };
