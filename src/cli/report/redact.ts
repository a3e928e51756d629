/** Names of fields and variables whose value is never shown. */
const secretName =
  /(password|passwd|pwd|token|secret|secret_?access_?key|access_?key_?id|authorization|identity|private_?key|api_?key)$/i;

const redacted = '[redacted]';

const secretTexts: [RegExp, string][] = [
  [/AGE-SECRET-KEY-(PQ-)?1[A-Z0-9]+/gi, redacted],
  [/-----BEGIN ([A-Z ]*)PRIVATE KEY-----[\s\S]*?(-----END \1PRIVATE KEY-----|$)/g, redacted],
  // A password in a URL.
  [/([a-z][a-z0-9+.-]*:\/\/[^\s:@/]*):[^\s@/]+@/gi, `$1:${redacted}@`],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${redacted}`],
  // A token of a service account, or of whoever logs in by OIDC.
  [/\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g, redacted],
  [/\b(AKIA|ASIA)[A-Z0-9]{16}\b/g, redacted],
  [
    /((?:password|passwd|pwd|token|secret|secret_?access_?key|access_?key_?id|api_?key|authorization|identity)\\*"?\s*[=:]\s*)(\\*"(?:[^"\\]|\\[^"])*\\*"|\\*'[^']*'|[^\s,;'"}\]]+)/gi,
    `$1${redacted}`,
  ],
];

/** What Kubernetes adds for its own book-keeping: long, and a copy of the object as it once was. */
const noise = new Set(['managedFields', 'kubectl.kubernetes.io/last-applied-configuration']);

/**
 * The value without anything that looks like a secret: by the name of the field, or by the look of the text. Backstay
 * itself puts no secret into objects and logs; this is for what others wrote there.
 */
export function redact(value: unknown): unknown {
  if (typeof value === 'string') return redactText(value);
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== 'object' || value === null) return value;
  // A variable of a container: the name stands beside its value.
  const { name } = value as { name?: unknown };
  const isVariable = typeof name === 'string' && secretName.test(name);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !noise.has(key))
      .map(([key, inner]) => {
        const isSecret = typeof inner === 'string' && (secretName.test(key) || (isVariable && key === 'value'));
        return [key, isSecret ? redacted : redact(inner)];
      }),
  );
}

export const redactText = (text: string): string =>
  secretTexts.reduce((kept, [pattern, instead]) => kept.replace(pattern, instead), text);
