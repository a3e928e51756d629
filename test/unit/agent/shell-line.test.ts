import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { shellLine } from '../../../src/agent/shell-line.ts';
import { shells } from '../../harness/tool-container.ts';

/** Any bytes but NUL, one character a byte. */
const byteString = fc
  .uint8Array({ maxLength: 40 })
  .map((bytes) => Buffer.from(bytes.map((byte) => byte || 1)).toString('latin1'));
const awkward = fc.constantFrom(
  "'",
  "''",
  '\\',
  '\n',
  '$HOME',
  '`id`',
  '$(id)',
  '-n',
  '',
  ' ',
  '*',
  '"',
  '\r',
  '\x7f',
  '!x',
  "\\'",
);

/** Runs the line in the shell; what the program got as its arguments, each ended by NUL. */
function argumentsThrough(shell: readonly string[], line: string): Buffer {
  const script = Buffer.from(line, 'latin1');
  const { stdout, stderr, status } = spawnSync(shell[0]!, shell.slice(1), { input: script });
  if (status !== 0) throw new Error(`${shell[0]}: ${stderr}`);
  return stdout;
}

describe('shellLine', () => {
  it('knows at least dash and bash on this machine', () => {
    expect(shells.map(([name]) => name)).toEqual(expect.arrayContaining(['dash', 'bash']));
  });

  it.each(shells.map((shell) => [shell[0]!, shell] as const))(
    'brings every byte string unchanged through %s',
    (_name, shell) => {
      fc.assert(
        fc.property(fc.array(fc.oneof(byteString, awkward), { maxLength: 6 }), (args) => {
          const seen = argumentsThrough(shell, shellLine(['printf', '%s\\0', ...args, 'end']));
          expect(seen.toString('latin1')).toBe([...args, 'end'].map((arg) => `${arg}\0`).join(''));
        }),
        { numRuns: 120 },
      );
    },
  );

  it.each(shells.map((shell) => [shell[0]!, shell] as const))(
    'brings environment unchanged through %s',
    (_name, shell) => {
      fc.assert(
        fc.property(fc.oneof(byteString, awkward), (value) => {
          const line = shellLine(['sh', '-c', 'printf "%s|" "$BACKSTAY_TEST"'], { BACKSTAY_TEST: value });
          expect(argumentsThrough(shell, line).toString('latin1')).toBe(`${value}|`);
        }),
        { numRuns: 60 },
      );
    },
  );

  it('refuses NUL, which no argument can hold, and a name that is no variable', () => {
    expect(() => shellLine(['pg_dump', 'a\0b'])).toThrow(expect.objectContaining({ reason: 'SpecInvalid' }));
    expect(() => shellLine(['pg_dump'], { 'A;id': 'x' })).toThrow(expect.objectContaining({ reason: 'Internal' }));
    expect(() => shellLine([])).toThrow(expect.objectContaining({ reason: 'Internal' }));
  });
});
