import { Command, CommanderError } from 'commander';
import { isMachineForm, render } from './answer.ts';
import { addBackup } from './commands/backup.ts';
import { addCompletion } from './commands/completion.ts';
import { addObjectCommands } from './commands/objects.ts';
import { addReport } from './commands/report.ts';
import { addRestore } from './commands/restore.ts';
import { addKeys, addRoles } from './commands/roles.ts';
import { addStatus } from './commands/status.ts';
import { complaintOf } from './complaint.ts';
import { contractVersion } from './contract.ts';
import { exitCodes } from './exit-codes.ts';
import type { Session, Surroundings } from './surroundings.ts';

/** Runs one command line (without program and script) and answers its exit code. Never throws. */
export async function runCommandLine(args: readonly string[], surroundings: Surroundings): Promise<number> {
  let code: number = exitCodes.done;
  let form: string | undefined;
  const session: Session = {
    ...surroundings,
    end(answer) {
      code = answer;
    },
    answerIn(wanted) {
      form = wanted;
    },
  };
  try {
    await createProgram(session).parseAsync(args, { from: 'user' });
    return code;
  } catch (thrown) {
    // Commander has said what is wrong.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    const { exitCode, ...error } = complaintOf(thrown);
    surroundings.printError(`error: ${error.reason}: ${error.message}\n  next: ${error.hint}\n`);
    if (form !== undefined && isMachineForm(form)) {
      const result = { apiVersion: contractVersion, kind: 'Result', outcome: 'Error', exitCode, objects: [], error };
      surroundings.print(render(result, form));
    }
    return exitCode;
  }
}

/** The tree of commands to be read, not run: it has no place to act on. */
export const describedProgram = (): Command =>
  createProgram({
    calledAs: 'backstay',
    version: '',
    print: () => undefined,
    printError: () => undefined,
  } as unknown as Session);

/** The tree of commands. Help, completion and docs/cli.md are read off it. */
export function createProgram(session: Session): Command {
  const program = new Command('backstay')
    .description('Backs up databases and proves that they can be restored.')
    .version(session.version)
    .exitOverride()
    .configureOutput({
      writeOut: session.print,
      writeErr: session.printError,
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
    })
    .showSuggestionAfterError();
  program.commandsGroup('Backups and restores:');
  addStatus(program, session);
  addBackup(program, session);
  addRestore(program, session);
  program.commandsGroup('Objects:');
  addObjectCommands(program, session);
  program.commandsGroup('Help and keys:');
  addReport(program, session);
  addKeys(program, session);
  addCompletion(program, session);
  program.addHelpCommand(
    new Command('help').argument('[command]').description('what a command does and takes').helpGroup('Help and keys:'),
  );
  program.commandsGroup('Roles:');
  addRoles(program, session);
  sayWhatNext(program, session.calledAs);
  return program;
}

/** Every wrong command line ends with the help that fits it. */
function sayWhatNext(command: Command, path: string): void {
  command.showHelpAfterError(`  next: Type ${path} --help for what there is.`);
  for (const child of command.commands) sayWhatNext(child, `${path} ${child.name()}`);
}
