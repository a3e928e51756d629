import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const pattern = /\bbackstay_[a-z0-9_]+\b/g;

/** The metrics that an expression of Prometheus asks for; a histogram by its own name. */
export const metricNamesIn = (expression: string): string[] =>
  (expression.match(pattern) ?? []).map((name) => name.replace(/_(bucket|sum|count)$/, ''));

/** The metrics that the operator has, by their names in its code. */
export function metricNamesOfTheCode(): Set<string> {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return new Set(files.flatMap((file) => readFileSync(join('src', file), 'utf8').match(pattern) ?? []));
}
