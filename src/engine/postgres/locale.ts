import type { DatabaseText } from '../engine.ts';
import type { Connection } from './connection.ts';
import { quoteName, quoteText } from './quoting.ts';
import { majorOf } from './tool.ts';

/** How the database of the connection encodes, orders and folds text. */
export async function readText(connection: Connection): Promise<DatabaseText> {
  // As JSON, because of the columns for it 13 has none, 15 and 16 call one otherwise.
  const [row] = await connection.query<DatabaseText>(`
    SELECT pg_encoding_to_char(encoding) AS encoding, datcollate AS collation, datctype AS "characterType",
      CASE coalesce(to_jsonb(d) ->> 'datlocprovider', 'c')
        WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' END AS "localeProvider",
      coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS "providerLocale",
      to_jsonb(d) ->> 'daticurules' AS "icuRules"
    FROM pg_database d WHERE datname = current_database()`);
  return row!;
}

/**
 * Why rows of a database with the text of `backup` would not mean the same in one with the text of `target`: another
 * locale makes another of `lower()`, of an order, and of a unique key that is built on either.
 */
export function textDifferences(backup: DatabaseText, target: DatabaseText): string[] {
  const differences: string[] = [];
  const differ = (what: string, had: string | null, has: string | null): void => {
    differences.push(`${what} ${has ?? 'none'}, the backup has ${had ?? 'none'}`);
  };
  // UTF8 can hold the characters of every other encoding; SQL_ASCII says nothing about what its bytes mean.
  const holdsAll = target.encoding === 'UTF8' && backup.encoding !== 'SQL_ASCII';
  if (target.encoding !== backup.encoding && !holdsAll) differ('encoding', backup.encoding, target.encoding);
  const { localeProvider } = backup;
  if (target.localeProvider !== localeProvider) {
    differ('locale provider', localeProvider, target.localeProvider);
  } else {
    const isSame = localeProvider === 'icu' ? isSameIcu : isSameLibc;
    if (!isSame(backup.providerLocale ?? '', target.providerLocale ?? ''))
      differ('locale', backup.providerLocale, target.providerLocale);
    if (backup.icuRules !== target.icuRules) differ('ICU rules', backup.icuRules, target.icuRules);
  }
  for (const [what, field] of [
    ['LC_COLLATE', 'collation'],
    ['LC_CTYPE', 'characterType'],
  ] as const) {
    if (!isSameLibc(backup[field], target[field])) differ(what, backup[field], target[field]);
  }
  return differences;
}

function isSameLibc(one: string, other: string): boolean {
  return libcName(one) === libcName(other);
}

/**
 * `en_US.utf8` and `en_US.UTF-8` are one locale that machines spell differently. What follows the dot must fit the
 * encoding, which is compared by itself; only C fits every encoding, and `C.UTF-8` is another one.
 */
function libcName(name: string): string {
  const [, base = '', codeset = '', modifier = ''] = /^([^.@]*)(\.[^@]*)?(@.*)?$/s.exec(name.toLowerCase()) ?? [];
  if (base !== 'c' && base !== 'posix') return base + modifier;
  return `c.${codeset.replaceAll(/[^a-z0-9]/g, '')}${modifier}`;
}

/**
 * 15 keeps a name as it was given, from 16 on the server writes it as a language tag: `de_DE@collation=phonebook` is
 * `de-DE-u-co-phonebk` there. Of a name in the old form only the language is compared.
 */
function isSameIcu(one: string, other: string): boolean {
  const tags = [one, other].map((name) => name.toLowerCase().replaceAll('_', '-'));
  const isOld = tags.some((tag) => tag.includes('@'));
  const [a, b] = tags
    .map((tag) => (isOld ? tag.replace(/(@|-u-).*/s, '') : tag))
    .map((tag) => tag.replace(/^(root)?$/, 'und'));
  return a === b;
}

/** The statement that makes an empty database with that text on a server of `version`. */
export function createDatabaseSql(database: string, text: DatabaseText, version: string): string {
  const { localeProvider: provider, providerLocale, icuRules } = text;
  const parts = [`CREATE DATABASE ${quoteName(database)} TEMPLATE template0 ENCODING ${literal(text.encoding)}`];
  // Left out, it is that of template0.
  if (majorOf(version) >= 15) parts.push(`LOCALE_PROVIDER ${provider}`);
  if (provider !== 'libc' && providerLocale !== null)
    parts.push(`${provider === 'icu' ? 'ICU_LOCALE' : 'BUILTIN_LOCALE'} ${literal(providerLocale)}`);
  if (icuRules !== null) parts.push(`ICU_RULES ${literal(icuRules)}`);
  parts.push(`LC_COLLATE ${literal(text.collation)} LC_CTYPE ${literal(text.characterType)};`);
  return parts.join(' ');
}

/** For a person to read: without the E, where nothing in it needs that. */
function literal(text: string): string {
  const quoted = quoteText(text);
  return text.includes('\\') ? quoted : quoted.slice(1);
}
