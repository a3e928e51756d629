import type { z } from 'zod';
import { Fault } from '../base/fault.ts';
import { nearestName } from '../base/nearest.ts';
import { type BackupGrantSpec, backupGrantSpec } from './backup-grant.ts';
import { type BackupPolicySpec, backupPolicySpec } from './backup-policy.ts';
import { type BackupRunSpec, backupRunSpec } from './backup-run.ts';
import type { KindName } from './names.ts';
import { type RestoreRequestSpec, restoreRequestSpec } from './restore-request.ts';

export interface SpecOf {
  BackupPolicy: BackupPolicySpec;
  BackupRun: BackupRunSpec;
  RestoreRequest: RestoreRequestSpec;
  BackupGrant: BackupGrantSpec;
}

export const specSchemas: { [Kind in KindName]: z.ZodType<SpecOf[Kind]> } = {
  BackupPolicy: backupPolicySpec,
  BackupRun: backupRunSpec,
  RestoreRequest: restoreRequestSpec,
  BackupGrant: backupGrantSpec,
};

/**
 * The spec with its defaults, as the API server would have filled them in. Throws SpecInvalid that names the first
 * field that is wrong, what was expected there, and for an unknown field the name that was most likely meant.
 * The words in the spec never reach the message where they could be a secret: only names of fields do.
 */
export function parseSpec<Kind extends KindName>(kind: Kind, spec: unknown): SpecOf[Kind] {
  return parseAs(specSchemas[kind], spec, {
    root: 'spec',
    what: `a ${kind}`,
    hint: (where) => `See docs/spec/v1alpha1/${kind}.md for what ${where} may be.`,
  });
}

/** What a value is called in messages. */
export interface Naming {
  /** Before the first field, such as `spec`. */
  root: string;
  /** What the value as a whole is. */
  what: string;
  hint(where: string): string;
}

/** The same for anything that a person wrote; throws SpecInvalid in the same words. */
export function parseAs<Value>(schema: z.ZodType<Value>, value: unknown, naming: Naming): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  // A misspelt field also makes the real one "missing": the misspelling is the cause, so it comes first.
  const issues = parsed.error.issues;
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];
  const { root, what } = naming;
  if (issue === undefined) throw new Fault('SpecInvalid', `${what} cannot be read`, { where: root });
  throw faultOf(issue, schema, value, issues.length - 1, naming);
}

function faultOf(
  issue: z.core.$ZodIssue,
  schema: z.ZodType,
  value: unknown,
  others: number,
  { root, what, hint: hintFor }: Naming,
): Fault {
  const more = others > 0 ? ` (and ${others} more)` : '';
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys[0] ?? '';
    const where = pathOf(root, [...issue.path, unknown]);
    const known = fieldNames(schemaAt(schema, issue.path));
    const near = nearestName(unknown, known);
    const hint = near === undefined ? `The fields here are ${known.join(', ')}.` : `Did you mean ${near}?`;
    return new Fault('SpecInvalid', `${where} is no field of ${what}${more}`, { where, hint });
  }
  const where = pathOf(root, issue.path);
  const isMissing = issue.code === 'invalid_type' && valueAt(value, issue.path) === undefined;
  const message = isMissing ? `${where} is missing` : `${where} ${sentenceOf(issue)}`;
  return new Fault('SpecInvalid', message + more, { where, hint: hintFor(where) });
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'custom':
      return issue.message;
    case 'invalid_type':
      return `must be ${{ int: 'a whole number', number: 'a number', boolean: 'true or false', array: 'a list', object: 'an object', string: 'text' }[issue.expected as string] ?? issue.expected}`;
    case 'invalid_value':
      return `must be ${issue.values.map(String).join(' or ')}`;
    case 'too_small':
      return issue.origin === 'string'
        ? 'must not be empty'
        : `must be at least ${issue.minimum}${unitOf(issue.origin)}`;
    case 'too_big':
      return `must be at most ${issue.maximum}${unitOf(issue.origin)}`;
    default:
      return issue.message;
  }
}

const unitOf = (origin: string): string => (origin === 'array' ? ' items' : origin === 'string' ? ' characters' : '');

/** `['stores', 0, 's3']` -> `spec.stores[0].s3` */
const pathOf = (root: string, path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}.${String(part)}`),
    root,
  );

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part], value);
}

interface Definition {
  innerType?: z.ZodType;
  element?: z.ZodType;
  shape?: Record<string, z.ZodType>;
}

const bare = (schema: z.ZodType | undefined): z.ZodType | undefined => {
  const inner = (schema?.def as Definition | undefined)?.innerType;
  return inner === undefined ? schema : bare(inner);
};

function schemaAt(schema: z.ZodType | undefined, path: readonly PropertyKey[]): z.ZodType | undefined {
  const [part, ...rest] = path;
  const here = bare(schema);
  if (part === undefined) return here;
  const { element, shape } = (here?.def ?? {}) as Definition;
  return schemaAt(typeof part === 'number' ? element : shape?.[String(part)], rest);
}

const fieldNames = (schema: z.ZodType | undefined): string[] =>
  Object.keys((schema?.def as Definition | undefined)?.shape ?? {});
