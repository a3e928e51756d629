const removed = '[removed]';
const longestText = 4_000;
const deepest = 8;
const longestList = 100;

// Compared without case, dashes and underscores; `secretName` and `accessKeyIdKey` only say where a secret lies.
const secretName =
  /(passw(or)?d|passphrase|pwd|secret|token|authorization|cookie|credentials?|identity|(secret|private|api|access|session|signing)key|accesskeyid|signature)$/;

/** Whether a field or variable of this name holds a secret, and does not only say where one lies. */
export const isSecretName = (name: string): boolean => secretName.test(name.toLowerCase().replace(/[-_]/g, ''));

/** How secrets look inside of a text: in addresses, headers, signed URLs, connection strings, key files. */
const patterns: readonly (readonly [RegExp, string])[] = [
  // All up to the last @: a password may hold one itself.
  [/([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s"'<>]*@/gi, `$1${removed}@`],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, removed],
  [/AGE-(SECRET-KEY|PLUGIN)-[A-Z0-9-]+/gi, removed],
  [/AWS4-HMAC-SHA256[^\n]*/g, removed],
  [/\b(Bearer|Basic|Negotiate)\s+[A-Za-z0-9+/._~=-]{6,}/gi, `$1 ${removed}`],
  [/\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*/g, removed],
  [/\b(AKIA|ASIA)[A-Z0-9]{12,}/g, removed],
  [
    /\b([\w-]{0,40}(?:password|passwd|passphrase|secret|token|signature|credential|access_?key(?:_?id)?))=("[^"]*"|'[^']*'|[^\s&,;"']+)/gi,
    `$1=${removed}`,
  ],
  [/((?:password|passphrase|secret|token|secretAccessKey)\\?["']\s*:\s*\\?["'])[^"'\\]*/gi, `$1${removed}`],
];

/** The text without what looks like a secret, and not longer than a log line may be. */
export function redactText(text: string): string {
  const clean = patterns.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead), start(text));
  return text.length > longestText ? `${clean}... (${text.length} characters)` : clean;
}

// Cut before it is searched: searching a megabyte takes minutes. What the cut went through has lost what it is known by.
const start = (text: string): string =>
  text.length > longestText ? text.slice(0, longestText).replace(/\S{0,400}$/, '') : text;

/**
 * A copy for a log: fields whose name says secret are left out at any depth, texts are redacted, errors become what is
 * known to be harmless of them. Libraries hang requests, headers and whole connections on the errors they throw.
 */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? undefined : value;
  if (depth >= deepest) return '[deep]';
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Date || value instanceof URL) return redactText(String(value.toJSON()));
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.slice(0, longestList).map((item) => redact(item, depth + 1));
  return redactFields(value, Object.keys(value), depth);
}

/** `code`, `reason`, `where`, `status` and the like say where to look; every other field may hold anything. */
function redactError(error: Error, depth: number): object {
  const fields = redactFields(
    error,
    ['message', 'reason', 'code', 'status', 'where', 'hint', 'stack', 'errors', 'cause'],
    depth,
  );
  return { type: error.name, ...fields };
}

function redactFields(from: object, names: readonly string[], depth: number): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of names) {
    if (isSecretName(name)) continue;
    const value = redact(readField(from, name), depth + 1);
    if (value !== undefined) fields[name] = value;
  }
  return fields;
}

// A getter that throws must not make a log line the end of a backup.
function readField(from: object, name: string): unknown {
  try {
    return (from as Record<string, unknown>)[name];
  } catch {
    return '[unreadable]';
  }
}
