import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  connectionString,
  passwordFile,
  quoteName,
  quoteTable,
  quoteText,
} from '../../../../src/engine/postgres/quoting.ts';

// Every character that PostgreSQL takes, which is all but NUL, and those that could end a quote more often than others.
const anyText = fc
  .oneof(
    fc.string({ unit: 'binary' }),
    fc
      .array(fc.constantFrom('"', "'", '\\', ':', '=', ' ', 'n', '%', '$', ';', '-', 'ü', '\n'), { maxLength: 12 })
      .map((all) => all.join('')),
  )
  .map((text) => text.replaceAll('\0', ''));

describe('a name in SQL', () => {
  it('comes back as it is, whatever is in it', () => {
    fc.assert(fc.property(anyText, (name) => expect(readName(quoteName(name))).toEqual([name, ''])));
  });

  it('stays one name of two parts for a table', () => {
    fc.assert(
      fc.property(anyText, anyText, (schema, table) => {
        const [first, rest] = readName(quoteTable({ schema, table }));
        expect([first, ...readName(rest.replace(/^\./, ''))]).toEqual([schema, table, '']);
      }),
    );
  });
});

describe('a text in SQL', () => {
  it('comes back as it is, whatever standard_conforming_strings says', () => {
    fc.assert(fc.property(anyText, (text) => expect(readText(quoteText(text))).toEqual([text, ''])));
  });
});

describe('a connection string of libpq', () => {
  it('holds the settings that were given, and no other', () => {
    const settings = fc.dictionary(fc.constantFrom('host', 'dbname', 'user', 'passfile', 'application_name'), anyText);
    fc.assert(fc.property(settings, (given) => expect(readSettings(connectionString(given))).toEqual({ ...given })));
  });

  it('lets no name of a database become another setting', () => {
    const dbname = `shop' host='evil.example`;
    expect(readSettings(connectionString({ dbname }))).toEqual({ dbname });
  });
});

describe('a password file of libpq', () => {
  const fits = anyText.filter((password) => !/[\n\r]/.test(password));

  it('gives the password back for any server, database and role', () => {
    fc.assert(fc.property(fits, (password) => expect(readPassword(passwordFile(password))).toBe(password)));
  });

  it.each(['a\nb', 'a\rb', 'a\0b', 'a\n'])(
    'is refused for %j, which it cannot hold, and the password is not told',
    (password) => {
      expect(() => passwordFile(password)).toThrow(
        expect.objectContaining({ reason: 'SecretMissing', message: expect.not.stringContaining(password) }),
      );
    },
  );
});

/** The rule of PostgreSQL's lexer: a quote inside is doubled, nothing else is special. The name, and what follows it. */
function readName(sql: string): [string, string] {
  const [whole = '', inside = ''] = /^"((?:[^"]|"")*)"/su.exec(sql) ?? [];
  return [inside.replaceAll('""', '"'), sql.slice(whole.length)];
}

/** An E'' string: a doubled quote, and a backslash before the character that is meant. */
function readText(sql: string): [string, string] {
  const [whole = '', inside = ''] = /^E'((?:[^'\\]|''|\\.)*)'/su.exec(sql) ?? [];
  return [inside.replaceAll(/''|\\(.)/gsu, (_, meant = "'") => meant), sql.slice(whole.length)];
}

/** `conninfo_parse` of libpq, for values in quotes: a backslash takes the next character as it is. Throws where libpq refuses. */
function readSettings(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  let rest = text.trimStart();
  while (rest !== '') {
    const [whole, name, value] = /^([a-z_]+)\s*=\s*'((?:[^'\\]|\\.)*)'\s*/su.exec(rest) ?? [];
    if (whole === undefined || name === undefined || value === undefined || name in found)
      throw new Error(`refused: ${rest}`);
    found[name] = value.replaceAll(/\\(.)/gsu, '$1');
    rest = rest.slice(whole.length);
  }
  return found;
}

/** `passwordFromFile` of libpq: four fields that end at a bare colon, then the password up to one, backslashes taken off. */
function readPassword(file: string): string {
  const lines = file.split('\n');
  expect(lines).toEqual([expect.any(String), '']);
  const [, fields, password] = /^((?:(?:[^:\\]|\\.)*:){4})((?:[^:\\]|\\.)*)$/su.exec(lines[0] ?? '') ?? [];
  expect(fields).toBe('*:*:*:*:');
  return (password ?? '').replaceAll(/\\(.)/gsu, '$1');
}
