import { Fault } from '../../base/fault.ts';

/** `Orders` -> `"Orders"`. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteTable(table: { schema: string; table: string }): string {
  return `${quoteName(table.schema)}.${quoteName(table.table)}`;
}

export function quoteText(text: string): string {
  // E'' because the meaning of a backslash in '' depends on a setting of the server.
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

/** libpq's connection string: every value in quotes, so that no name can become another setting. */
export function connectionString(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}='${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`)
    .join(' ');
}

/** libpq's password file for any host and user. Throws SecretMissing for a password that such a file cannot hold. */
export function passwordFile(password: string): string {
  if (/[\n\r\0]/.test(password)) {
    throw new Fault(
      'SecretMissing',
      'the password holds a line break or NUL, which the password file of libpq cannot hold',
      {
        hint: 'Write the secret without a line break in the password, or give the role another password.',
      },
    );
  }
  return `*:*:*:*:${password.replaceAll('\\', '\\\\').replaceAll(':', '\\:')}\n`;
}
