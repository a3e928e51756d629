import { type DestinationStream, type Logger, pino } from 'pino';
import { redact, redactText } from './redact.ts';

export type { Logger } from 'pino';

/**
 * JSON lines on the given stream. What could be a secret is taken out of fields, errors and messages: the second guard,
 * the first is that no secret is ever passed to a logger. pino's own redaction knows paths of a fixed depth only.
 */
export function createLogger(level: string, destination: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (fields) => redact(fields) as Record<string, unknown> },
      // pino's own gives every field of an error; ours has become a plain object before.
      serializers: { err: (error: unknown) => error },
      hooks: {
        logMethod([first, message, ...rest], method) {
          if (typeof first === 'string') return method.call(this, redactText(first));
          const fields = (first as unknown) instanceof Error ? { err: first } : (first as object);
          const said = message ?? (fields as { err?: { message?: string } }).err?.message ?? '';
          return method.call(this, fields as never, redactText(String(said)), ...rest);
        },
      },
    },
    destination,
  );
}
