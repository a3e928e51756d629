import { describe, expect, it } from '@jest/globals';
import type { DatabaseText } from '../../../../src/engine/engine.ts';
import { createDatabaseSql, textDifferences } from '../../../../src/engine/postgres/locale.ts';

const english: DatabaseText = {
  encoding: 'UTF8',
  collation: 'en_US.UTF-8',
  characterType: 'en_US.UTF-8',
  localeProvider: 'libc',
  providerLocale: null,
  icuRules: null,
};
const icu = (providerLocale: string): DatabaseText => ({ ...english, localeProvider: 'icu', providerLocale });
const builtin = (providerLocale: string): DatabaseText => ({ ...english, localeProvider: 'builtin', providerLocale });
const libc = (name: string): DatabaseText => ({ ...english, collation: name, characterType: name });

describe('text that means the same', () => {
  it.each([
    ['other case and hyphens', libc('en_US.UTF-8'), libc('en_us.utf8')],
    ['C with a codeset', libc('C.UTF-8'), libc('C.utf8')],
    ['C and POSIX', libc('C'), libc('POSIX')],
    ['a locale that leaves its codeset to the encoding', libc('de_DE@euro'), libc('de_DE.UTF-8@euro')],
    [
      'UTF8, into which every known encoding fits',
      { ...libc('de_DE.ISO-8859-1'), encoding: 'LATIN1' },
      libc('de_DE.UTF-8'),
    ],
    ['an ICU name as 15 keeps it and as 16 writes it', icu('en_US'), icu('en-US')],
    ['the root of ICU', icu(''), icu('und')],
    ['the root of ICU by its name', icu('root'), icu('und')],
    ['keywords in the old form and as a tag', icu('de_DE@collation=phonebook'), icu('de-DE-u-co-phonebk')],
    ['the builtin locale', builtin('C.UTF-8'), builtin('C.UTF8')],
  ])('is taken: %s', (_what, backup, target) => {
    expect(textDifferences(backup, target)).toEqual([]);
  });
});

describe('text that does not mean the same', () => {
  it.each<[DatabaseText, DatabaseText, RegExp]>([
    [english, { ...english, encoding: 'LATIN1' }, /^encoding LATIN1, the backup has UTF8$/],
    [{ ...english, encoding: 'SQL_ASCII' }, english, /^encoding UTF8/],
    [english, { ...english, characterType: 'C' }, /^LC_CTYPE C, the backup has en_US\.UTF-8$/],
    [english, { ...english, collation: 'C' }, /^LC_COLLATE C/],
    [libc('C'), libc('C.UTF-8'), /^LC_COLLATE C\.UTF-8, the backup has C$/],
    [libc('de_DE.UTF-8'), libc('de_DE.UTF-8@euro'), /^LC_COLLATE/],
    [icu('en-US'), english, /^locale provider libc, the backup has icu$/],
    [icu('en-US'), icu('sv-SE'), /^locale sv-SE, the backup has en-US$/],
    [icu('und'), icu('und-u-ks-level2'), /^locale/],
    [icu('de_DE@collation=phonebook'), icu('sv-SE'), /^locale/],
    [builtin('C'), builtin('C.UTF-8'), /^locale C\.UTF-8/],
    [{ ...icu('und'), icuRules: '&a < g' }, icu('und'), /^ICU rules none, the backup has &a < g$/],
  ])('is named: %j, %j', (backup, target, expected) => {
    expect(textDifferences(backup, target)[0]).toMatch(expected);
  });
});

describe('the statement that makes a database like the one backed up', () => {
  it('names no provider to a server that knows only one', () => {
    expect(createDatabaseSql('a "b"', { ...english, collation: 'C' }, '14.11')).toBe(
      `CREATE DATABASE "a ""b""" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'en_US.UTF-8';`,
    );
  });

  it('names the provider, whose default may be another one, and its locale', () => {
    expect(createDatabaseSql('b', english, '15.3')).toContain(` LOCALE_PROVIDER libc LC_COLLATE 'en_US.UTF-8' `);
    expect(createDatabaseSql('b', { ...icu('und'), icuRules: "&a < ''" }, '16.1')).toContain(
      ` LOCALE_PROVIDER icu ICU_LOCALE 'und' ICU_RULES '&a < ''''' LC_COLLATE `,
    );
    expect(createDatabaseSql('b', builtin('C.UTF-8'), '18.0')).toContain(
      ` LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE `,
    );
  });
});
