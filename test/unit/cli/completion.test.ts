import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Command } from 'commander';
import { complete, type NamesOf } from '../../../src/cli/completion/complete.ts';
import { completionScripts, shells } from '../../../src/cli/completion/scripts.ts';
import { describedProgram } from '../../../src/cli/program.ts';

const program = describedProgram();
const namesOf: NamesOf = async (kind, { namespace = 'default' }) => [`${kind}-in-${namespace}`, 'other'];

async function words(line: string): Promise<string[]> {
  const { words: found, directive } = await complete(program, line.split(' '), namesOf);
  return [...found.map(({ word }) => word), `:${directive}`];
}

describe('completion', () => {
  it('knows every command that help knows, and no hidden one', async () => {
    const visible = program
      .createHelp()
      .visibleCommands(program)
      .map((command) => command.name());
    expect(await words('')).toEqual([...visible, ':4']);
    expect(await words('')).not.toContain('agent');
    expect(await words('sta')).toEqual(['status', 'standalone', ':4']);
  });

  const leaves = (command: Command, path: string[]): [string, Command][] =>
    command.commands.length === 0
      ? [[path.join(' '), command]]
      : command.commands.flatMap((child) => leaves(child, [...path, child.name()]));
  const visibleLeaves = leaves(program, []).filter(([path]) => !path.startsWith('__') && path !== 'agent');

  it.each(visibleLeaves)('knows every option of %s', async (path, command) => {
    const found = await words(`${path} --`);
    const expected = command
      .createHelp()
      .visibleOptions(command)
      .map(({ long }) => long);
    expect(found.slice(0, -1)).toEqual(expected);
  });

  it.each([
    ['backup ', ['BackupPolicy-in-default', 'other', ':4']],
    ['backup -n prod B', ['BackupPolicy-in-prod', ':4']],
    ['backup --namespace=prod B', ['BackupPolicy-in-prod', ':4']],
    ['backup shop ', [':4']],
    ['backup --namespace=prod --wait B', ['BackupPolicy-in-prod', ':4']],
    ['restore --tls-mode=V', ['VerifyCA', 'VerifyFull', ':4']],
    ['restore --dry-run=V', [':4']],
    ['backup shop --timeout ', [':4']],
    ['restore --run ', ['BackupRun-in-default', 'other', ':4']],
    ['restore --tls-mode V', ['VerifyCA', 'VerifyFull', ':4']],
    ['get pol', ['policies', 'policy', ':4']],
    ['get requests R', ['RestoreRequest-in-default', ':4']],
    ['delete nonsense ', [':4']],
    ['keys ', ['generate', ':4']],
    ['apply -f ', [':0']],
    ['status --home ', [':16']],
    ['completion ', [...shells, ':4']],
    ['no-such-command ', [':4']],
    ['backup -- --w', [':4']],
  ])('"%s" is completed by %j', async (line, expected) => {
    expect(await words(line)).toEqual(expected);
  });

  it.each(shells)('the script of %s asks the program for the words', (shell) => {
    expect(completionScripts[shell]).toContain('__complete');
  });

  it('bash takes the words, and files where a file belongs', () => {
    const directory = mkdtempSync(join(tmpdir(), 'backstay-completion-'));
    try {
      writeFileSync(join(directory, 'script'), completionScripts.bash);
      writeFileSync(join(directory, 'policy.yaml'), '');
      const answer = `case "$*" in *-f*) echo :0 ;; *told*) shift; echo "$*" ;; *) printf 'status\\tam I protected?\\nwith blank\\n:4\\n' ;; esac`;
      writeFileSync(join(directory, 'backstay'), `#!/bin/sh\n${answer}\n`, { mode: 0o755 });
      const ask = (...words: string[]): string =>
        execFileSync(
          'bash',
          [
            '-c',
            '. ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _backstay; printf "%s|" "${COMPREPLY[@]}"',
            '-',
            ...words,
          ],
          { cwd: directory, encoding: 'utf8' },
        );
      expect(ask('./backstay', 'st')).toBe('status|with blank|');
      expect(ask('./backstay', 'apply', '-f', 'pol')).toBe('policy.yaml|');
      expect(ask('./backstay', 'told', '--home', '=', 'di')).toBe('told --home=di|');
      expect(ask('./backstay', 'told', '')).toBe('told |');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
