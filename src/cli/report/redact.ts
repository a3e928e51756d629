import { isSecretName, redactText } from '../../base/redact.ts';

const removed = '[removed]';
const keyFile = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----[\s\S]*?(-----END \1PRIVATE KEY-----|$)/g;
/** As YAML has it, which is no form of a log line of ours. */
const namedValue =
  /\b(\w*(?:password|passwd|secret_?access_?key|access_?key_?id|api_?key)"?:\s+)("[^"]*"|'[^']*'|[^\s,;]+)/gi;

/** What Kubernetes adds for its own book-keeping: long, and a copy of the object as it once was. */
const noise = new Set(['managedFields', 'kubectl.kubernetes.io/last-applied-configuration']);

/**
 * The value without anything that looks like a secret: by the name of the field, or by the look of the text. Backstay
 * itself puts no secret into objects and logs; this is for what others wrote there.
 */
export function redact(value: unknown): unknown {
  if (typeof value === 'string') return redactLines(value);
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== 'object' || value === null) return value;
  // A variable of a container: the name stands beside its value.
  const { name } = value as { name?: unknown };
  const isVariable = typeof name === 'string' && isSecretName(name);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !noise.has(key))
      .map(([key, inner]) => {
        const isSecret = typeof inner === 'string' && (isSecretName(key) || (isVariable && key === 'value'));
        return [key, isSecret ? removed : redact(inner)];
      }),
  );
}

// Line by line, because a line is cut where it is too long to be searched; but a key file has many.
const redactLines = (text: string): string =>
  text
    .replace(keyFile, removed)
    .split('\n')
    .map((line) => redactText(line).replace(namedValue, `$1${removed}`))
    .join('\n');
