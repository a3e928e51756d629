import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/**
 * JSON lines on the given stream. Fields that could hold a secret are removed by name at any depth the code uses, as a
 * second guard: the first is that no secret is ever passed to a logger.
 */
export function createLogger(level: string, destination: DestinationStream): Logger {
  const secretNames = ['password', 'secretAccessKey', 'accessKeyId', 'identity', 'token', 'authorization'];
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), remove: true },
    },
    destination,
  );
}
