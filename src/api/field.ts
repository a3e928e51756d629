import { z } from 'zod';
import { durationPattern, parseDurationMs, unitMs } from '../base/duration.ts';

/**
 * A rule that a schema's shape cannot say, written once in each language: `holds` for us, `cel` for the API server,
 * left out where CEL cannot say it. Both get the value with its defaults filled in. The message says what to write.
 */
export interface Rule<Value> {
  cel?: string;
  message: string;
  holds(value: Value): boolean;
}

const celKey = 'x-kubernetes-validations';

/** The schema with rules added. Call it before `optional` and `default`: a rule never sees a value that is not there. */
export function withRules<Schema extends z.ZodType>(schema: Schema, ...rules: Rule<z.output<Schema>>[]): Schema {
  const meta = schema.meta() ?? {};
  const before = Array.isArray(meta[celKey]) ? meta[celKey] : [];
  const refined = rules.reduce((made, { holds, message }) => made.refine(holds, message), schema);
  const added = rules.flatMap(({ cel, message }) => (cel === undefined ? [] : [{ rule: cel, message }]));
  return refined.meta({ ...meta, ...(before.length + added.length > 0 && { [celKey]: [...before, ...added] }) });
}

/** Of these optional fields exactly one is given. */
export function exactlyOne<Field extends string>(...fields: Field[]): Rule<Partial<Record<Field, unknown>>> {
  return {
    cel: `[${fields.map((field) => `has(self.${field})`).join(', ')}].filter(given, given).size() == 1`,
    message: `give exactly one of ${fields.join(' and ')}`,
    holds: (value) => fields.filter((field) => value[field] !== undefined).length === 1,
  };
}

/**
 * Text of 1 to `maxLength` characters in a form that a person can be told about: an API server's own message for a
 * `pattern` is the pattern. It must hold neither backslash nor quote, so that it means the same in CEL.
 */
export function text(maxLength: number, pattern: string, message: string): z.ZodString {
  const form = new RegExp(pattern, 'u');
  return withRules(z.string().min(1).max(maxLength), {
    cel: `self.matches('${pattern}')`,
    message,
    holds: (value) => form.test(value),
  });
}

/** The name of an object of Kubernetes; in standalone the name of a file, so it must never climb out of its directory. */
export const objectName = (): z.ZodString =>
  text(
    253,
    '^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
    'must be a name of lower-case letters, digits, - and dots, beginning and ending with a letter or digit',
  );

/** The name of a namespace, which has no dots. */
export const namespaceName = (): z.ZodString =>
  text(
    63,
    '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
    'must be the name of a namespace: lower-case letters, digits and -, beginning and ending with a letter or digit',
  );

/** A short name of our own, such as a schedule's: part of object names and labels. */
export const shortName = (): z.ZodString =>
  text(
    40,
    '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
    'must be a name of lower-case letters, digits and -, beginning and ending with a letter or digit',
  );

export const keyInSecret = (defaultKey: string): z.ZodDefault<z.ZodString> =>
  text(
    253,
    '^[.]?[A-Za-z0-9_-][A-Za-z0-9._-]*$',
    'must be the name of a key in a secret: letters, digits, -, _ and dots',
  )
    .default(defaultKey)
    .describe('Key in the secret.');

/** Everything that names a secret says so in the same words. */
export const secretName = (): z.ZodString => objectName().describe('Secret in the same namespace.');

/** Seconds in CEL: its own durations know no days. A unit that is not there counts as `0`. */
const celSeconds = Object.entries(unitMs)
  .map(([unit, ms]) => `int('0' + self.find('[0-9]+${unit}').replace('${unit}', '')) * ${ms / 1000}`)
  .join(' + ');

/**
 * How long something may take, `longest` at most: without an end a moment could lie beyond what can be written down, and
 * whoever holds what others wait for would hold it for years.
 */
export const duration = (defaultText: string, description: string, longest: string): z.ZodDefault<z.ZodString> => {
  const isDuration = (value: string): boolean => new RegExp(durationPattern).test(value);
  return withRules(
    text(32, durationPattern, 'must be a duration such as 30s, 10m, 1h30m or 14d'),
    // The pattern alone lets 0s through, which would stop everything before it began.
    {
      cel: `self.matches('[1-9]')`,
      message: 'must be longer than nothing',
      holds: (value) => !isDuration(value) || parseDurationMs(value) > 0,
    },
    {
      // More digits than nine could be more than CEL can count.
      cel: `!self.matches('[0-9]{10}') && ${celSeconds} <= ${parseDurationMs(longest) / 1000}`,
      message: `must be at most ${longest}`,
      holds: (value) =>
        !isDuration(value) || (!/[0-9]{10}/.test(value) && parseDurationMs(value) <= parseDurationMs(longest)),
    },
  )
    .default(defaultText)
    .describe(description);
};

export const image = (description: string): z.ZodString =>
  text(
    512,
    '^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$',
    'must be an image such as postgres:18 or registry.example.com/postgres@sha256:...',
  ).describe(description);

/** A secret with an access key of an S3 service, and its keys. */
export const accessKeyFields = () => ({
  secretName: secretName(),
  accessKeyIdKey: keyInSecret('accessKeyId'),
  secretAccessKeyKey: keyInSecret('secretAccessKey'),
});

/** A role's user name and password. */
export const serverCredentials = (description: string) =>
  z
    .strictObject({
      secretName: secretName(),
      usernameKey: keyInSecret('username'),
      passwordKey: keyInSecret('password'),
    })
    .describe(description);

/** An age identity to decrypt with. */
export const identity = (description: string) =>
  z.strictObject({ secretName: secretName(), key: keyInSecret('identity') }).describe(description);

/**
 * PostgreSQL allows any character in a database's name but NUL, and 63 bytes. Quoting is our work, not the user's.
 */
export const databaseName = (): z.ZodString =>
  withRules(z.string().min(1).max(63), {
    cel: `size(bytes(self)) <= 63 && !self.contains('\\u0000')`,
    message: 'must be a database name of at most 63 bytes',
    holds: (value) => Buffer.byteLength(value) <= 63 && !value.includes('\u0000'),
  }).describe('Name of the database, as it is: without quotes.');

const tlsModes = ['Disable', 'Require', 'VerifyCA', 'VerifyFull'] as const;

const tls = withRules(
  z.strictObject({
    mode: z
      .enum(tlsModes)
      .default('Require')
      .describe(
        'Disable: in clear. Require: encrypted, whoever answers. VerifyCA: the certificate was signed by the given CA. ' +
          'VerifyFull: and it names the host.',
      ),
    caSecretName: secretName().optional().describe('Secret whose key ca.crt holds the CA certificates, PEM.'),
  }),
  {
    cel: `has(self.caSecretName) == (self.mode == 'VerifyCA' || self.mode == 'VerifyFull')`,
    message: 'caSecretName is needed for mode VerifyCA and VerifyFull, and has no meaning for the others',
    holds: ({ mode, caSecretName }) => (caSecretName !== undefined) === (mode === 'VerifyCA' || mode === 'VerifyFull'),
  },
);

/** How to reach the server: the same words for the server that is backed up and for the one that is restored into. */
export const serverAddress = {
  host: text(
    253,
    '^[A-Za-z0-9_:]([A-Za-z0-9_.:-]*[A-Za-z0-9_:])?$',
    'must be a host name or an IP address, without a port',
  )
    .optional()
    .describe('Host name or IP address.'),
  service: objectName().optional().describe('Service in the same namespace. Kubernetes only.'),
  port: z.int().min(1).max(65535).default(5432).describe('TCP port.'),
  tls: tls
    .prefault({})
    .describe('Encryption of the connection. Never silently in clear: a server without TLS needs mode Disable.'),
};
