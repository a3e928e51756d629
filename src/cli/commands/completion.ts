import { Argument, type Command } from 'commander';
import { sleep } from '../../base/clock.ts';
import { complete, type NamesOf } from '../completion/complete.ts';
import { completionScripts, type Shell, shells } from '../completion/scripts.ts';
import { openPlace } from '../place.ts';
import type { Session } from '../surroundings.ts';

/** A person waits for the next key: names that come later than this are left out. */
const patienceMs = 3_000;

/** `completion SHELL`, and what the shells and kubectl ask by it. */
export function addCompletion(program: Command, session: Session): void {
  program
    .command('completion')
    .description('print the completion script of a shell')
    .addArgument(new Argument('<shell>').choices([...shells]))
    .addHelpText(
      'after',
      '\nExamples:\n  source <(backstay completion bash)\n  backstay completion fish > ~/.config/fish/completions/backstay.fish' +
        '\n\nkubectl asks the program kubectl_complete-backstay, which lies beside kubectl-backstay: have both in the PATH.',
    )
    .action((shell: Shell) => session.print(completionScripts[shell]));

  program
    .enablePositionalOptions()
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .helpOption(false)
    .passThroughOptions()
    .action(async (words: string[]) => {
      const { words: found, directive } = await complete(program, words, namesOf(session));
      for (const { word, about } of found) session.print(about === undefined ? `${word}\n` : `${word}\t${about}\n`);
      session.print(`:${directive}\n`);
    });
}

const namesOf =
  (session: Session): NamesOf =>
  async (kind, options) => {
    const list = async (): Promise<string[]> => {
      const place = await openPlace(options, session);
      const answered = new AbortController();
      try {
        const objects = await Promise.race([
          place.objects.list(kind, place.namespace),
          sleep(session.clock, patienceMs, answered.signal).then(() => []),
        ]);
        return objects.map(({ metadata }) => metadata.name);
      } finally {
        answered.abort();
        place.close();
      }
    };
    return list().catch(() => []);
  };
