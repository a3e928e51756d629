import { ObjectsError, type ObjectsErrorCode } from '../objects.ts';

/** What the API server said, or that it said nothing: then `status` is 0. */
export class ApiError extends ObjectsError {
  readonly status: number;

  constructor(
    code: ObjectsErrorCode,
    status: number,
    message: string,
    details: { retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(code, message, details);
    this.status = status;
  }
}

/** metav1.Status, the part of it that is read here. */
interface StatusBody {
  kind?: string;
  reason?: string;
  message?: string;
  code?: number;
  details?: { causes?: { field?: string; message?: string }[]; retryAfterSeconds?: number };
}

/**
 * The error in an answer that is no success. `body` is the raw text: a proxy in between, or a path that the server does
 * not serve, answers with something else than a Status.
 */
export function apiErrorFrom(status: number, retryAfter: string | undefined, body: string): ApiError {
  const said = parseStatus(body);
  if (said === undefined) {
    const excerpt = body.trim().slice(0, 200);
    // A plain 404 means that the kind is not served; taken for "no such object" it would look like a deletion.
    const message =
      status === 404 ? 'the API server does not serve this kind' : `the API server answered ${status}: ${excerpt}`;
    return new ApiError('Unavailable', status, message, retryAfterOf(retryAfter));
  }
  return apiErrorFromStatus({ ...said, code: status }, retryAfter);
}

/** The same for the object of an ERROR event of a watch. */
export function apiErrorFromStatus(said: StatusBody, retryAfter?: string): ApiError {
  const status = said.code ?? 0;
  const seconds = said.details?.retryAfterSeconds;
  const patience = retryAfterOf(retryAfter ?? (seconds === undefined ? undefined : String(seconds)));
  return new ApiError(codeOf(status, said.reason), status, sentence(said), patience);
}

function codeOf(status: number, reason: string | undefined): ObjectsErrorCode {
  if (status === 404) return 'NotFound';
  if (status === 409) return reason === 'AlreadyExists' ? 'AlreadyExists' : 'Conflict';
  if (status === 401 || status === 403) return 'Forbidden';
  // 408, 410 and 429 heal by asking again, later or from the start.
  if (status >= 400 && status < 500 && status !== 408 && status !== 410 && status !== 429) return 'Invalid';
  return 'Unavailable';
}

// Before the message of a rule stands the type of the value in the place of the value.
const typeForValue = /^Invalid value: "(object|array|string)": /;

/** For a refused object every field with what is wrong there; the server's own sentence repeats the whole value. */
function sentence(said: StatusBody): string {
  // "<nil>" is where the server says that it stopped looking.
  const causes = (said.details?.causes ?? []).filter(({ field, message }) => field && field !== '<nil>' && message);
  if (said.reason === 'Invalid' && causes.length > 0) {
    return causes.map(({ field, message }) => `${field}: ${message?.replace(typeForValue, '')}`).join('; ');
  }
  return said.message || said.reason || `the API server answered ${said.code}`;
}

function parseStatus(body: string): StatusBody | undefined {
  try {
    const parsed = JSON.parse(body) as StatusBody | null;
    return parsed?.kind === 'Status' ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Retry-After is whole seconds at the API server; the form with a date is of no use here. */
function retryAfterOf(header: string | undefined): { retryAfterMs?: number } {
  return header !== undefined && /^\d+$/.test(header) ? { retryAfterMs: Number(header) * 1000 } : {};
}
