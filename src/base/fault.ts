import { type Reason, reasons } from './reasons.ts';

export interface FaultDetails {
  /** The next thing to do, a whole sentence. Left out: the hint of the reason. */
  hint?: string;
  /** The place: an object key, a file, a field path, a host. Never holds a secret. */
  where?: string;
  cause?: unknown;
}

/**
 * The one error that Backstay raises on purpose: a reason out of the closed list, what is wrong (lower case, no full
 * stop), where, and what to do. Whatever else is thrown is a defect and becomes `Internal` at the edge.
 */
export class Fault extends Error {
  readonly reason: Reason;
  readonly hint: string;
  readonly where: string | undefined;

  constructor(reason: Reason, message: string, details: FaultDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'Fault';
    this.reason = reason;
    this.hint = details.hint ?? reasons[reason].hint;
    this.where = details.where;
  }

  /** One line for a status or a log: what is wrong, and where unless the message says so itself. */
  get sentence(): string {
    return this.where === undefined || this.message.includes(this.where)
      ? this.message
      : `${this.message} (${this.where})`;
  }
}

/** The fault in whatever was thrown. An unknown error becomes `Internal` and keeps its message and its cause. */
export function toFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new Fault('Internal', message, { cause: thrown });
}
