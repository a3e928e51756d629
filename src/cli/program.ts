import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import type { OperatorConfig } from '../api/operator-config.ts';
import type { Clock } from '../base/clock.ts';
import { parseDurationMs } from '../base/duration.ts';
import { Fault } from '../base/fault.ts';
import type { Objects } from '../cluster/objects.ts';
import type { Kind, ObjectKey } from '../cluster/resource.ts';
import { type Applier, applyFiles } from './apply.ts';
import { exitCodes } from './exit-codes.ts';
import { faultOf } from './fault-of.ts';
import { kindFromWord } from './kind.ts';
import { renderObjects } from './list.ts';
import { readOperatorConfig } from './operator-config.ts';
import { type WaitTarget, waitForEnd } from './wait.ts';

/** What the commands act on and start; `main.ts` puts it together. Every role answers its exit code. */
export interface Surroundings {
  version: string;
  clock: Clock;
  defaultHome: string | undefined;
  print(text: string): void;
  printError(text: string): void;
  openHome(directory: string): Promise<{ objects: Objects; applier: Applier }>;
  generateKey(): Promise<{ identity: string; recipient: string }>;
  runStandalone(options: { home: string; tools?: string; logLevel: string }): Promise<number>;
  runOperator(options: OperatorOptions): Promise<number>;
  runAgent(options: { root: string }): Promise<number>;
}

export interface OperatorOptions {
  kubeconfig?: string;
  context?: string;
  config: OperatorConfig & { image: string };
}

/** Runs one command line (without program and script) and answers its exit code. Never throws. */
export async function runCommandLine(args: readonly string[], surroundings: Surroundings): Promise<number> {
  let code: number = exitCodes.done;
  const program = createProgram(surroundings, (answer) => {
    code = answer;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    const fault = faultOf(thrown);
    surroundings.printError(`error: ${fault.reason}: ${fault.sentence}\n  next: ${fault.hint}\n`);
    return exitCodes.failed;
  }
}

function createProgram(surroundings: Surroundings, end: (code: number) => void): Command {
  const { print, printError, clock } = surroundings;
  const program = new Command('backstay')
    .description('Backs up databases and proves that they can be restored.')
    .version(surroundings.version)
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: printError })
    .showSuggestionAfterError()
    .showHelpAfterError('Add --help for what there is.');
  const homeOption = (): Option => {
    const option = new Option('--home <directory>', 'where standalone keeps its objects, tasks and secrets');
    return surroundings.defaultHome === undefined
      ? option.makeOptionMandatory()
      : option.default(surroundings.defaultHome, '$BACKSTAY_HOME');
  };
  const namespaceOption = (): Option =>
    new Option('-n, --namespace <name>', 'namespace of the object').default('default');
  const logLevelOption = (): Option =>
    new Option('--log-level <level>', 'how much is logged').choices(['debug', 'info', 'warn', 'error']).default('info');

  program
    .command('standalone')
    .description('run on this machine, without Kubernetes; stop it at any time, backups that run go on')
    .addOption(homeOption())
    .option('--tools <directory>', 'where pg_dump and pg_restore are; left out: the PATH')
    .addOption(logLevelOption())
    .action(async (options) => end(await surroundings.runStandalone(options)));

  program
    .command('apply')
    .description('create objects or change them, from YAML files; all or none of them')
    .addOption(homeOption())
    .requiredOption('-f, --file <file...>', 'YAML file; - is the standard input')
    .option('--wait', 'wait for runs and requests; the exit code is their outcome')
    .option('--timeout <duration>', 'how long to wait; exit code 7 when it is over', '24h')
    .addHelpText('after', '\nExample:\n  backstay apply --home /var/lib/backstay -f run.yaml --wait')
    .action(async ({ home, file, wait, timeout }) => {
      const timeoutMs = parseDurationMs(timeout);
      const files = (file as string[]).map((name) => ({ name, text: readText(name) }));
      const { objects, applier } = await surroundings.openHome(home);
      const applied = await applyFiles(files, applier);
      for (const { draft, change } of applied) print(`${draft.kind} ${draft.metadata.name} ${change}\n`);
      if (wait !== true) return;
      const targets = applied
        .filter(({ draft }) => draft.kind !== 'BackupPolicy')
        .map(({ draft: { kind, metadata } }) => ({ kind, ...metadata }) as WaitTarget);
      end(await waitForEnd(objects, clock, targets, timeoutMs, (line) => print(`${line}\n`)));
    });

  program
    .command('get')
    .description('show policies, runs or requests')
    .argument('<kind>', 'policies, runs or requests')
    .argument('[name]', 'only this one')
    .addOption(homeOption())
    .addOption(namespaceOption())
    .option('-A, --all-namespaces', 'in all namespaces')
    .addOption(
      new Option('-o, --output <form>', 'table, json or name').choices(['table', 'json', 'name']).default('table'),
    )
    .addHelpText('after', '\nExample:\n  backstay get --home /var/lib/backstay runs')
    .action(async (word: string, name: string | undefined, { home, namespace, allNamespaces, output }) => {
      const kind = kindFromWord(word);
      const { objects } = await surroundings.openHome(home);
      const all = allNamespaces === true;
      const found =
        name === undefined
          ? await objects.list(kind, all ? undefined : namespace)
          : [await objects.get(kind, { namespace, name })].filter((object) => object !== undefined);
      if (name !== undefined && found.length === 0) throw notHere(kind, word, { namespace, name }, home);
      found.sort((a, b) => a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp));
      if (output === 'json') {
        const value = name === undefined ? { apiVersion: 'v1', kind: 'List', items: found } : found[0];
        print(`${JSON.stringify(value, null, 2)}\n`);
      } else if (output === 'name') print(found.map(({ metadata }) => `${metadata.name}\n`).join(''));
      else print(`${renderObjects(kind, found, clock.nowMs(), all)}\n`);
    });

  program
    .command('delete')
    .description('delete an object; what lies in the store stays')
    .argument('<kind>', 'policy, run or request')
    .argument('<name>')
    .addOption(homeOption())
    .addOption(namespaceOption())
    .action(async (word: string, name: string, { home, namespace }) => {
      const kind = kindFromWord(word);
      const { objects } = await surroundings.openHome(home);
      // Who misspelt a name must not read that it is gone.
      if ((await objects.get(kind, { namespace, name })) === undefined)
        throw notHere(kind, word, { namespace, name }, home);
      await objects.delete(kind, { namespace, name });
      print(`${kind} ${name} deleted; its data stays in the store\n`);
    });

  const keys = program.command('keys').description('encryption keys');
  keys
    .command('generate')
    .description('make an age identity (secret) and print its recipient (public) as a comment above it')
    .action(async () => {
      const { identity, recipient } = await surroundings.generateKey();
      print(`# public key, for spec.encryption.age.recipients: ${recipient}\n${identity}\n`);
    });

  program
    .command('operator')
    .description('run in a Kubernetes cluster')
    .option('--kubeconfig <file>', 'left out: the service account of the pod')
    .option('--context <name>', 'context in the kubeconfig')
    .option('--config <file>', 'settings, YAML; docs/spec/operator/configuration.md lists them')
    .option('--image <image>', 'the image of Backstay that Jobs run; instead of the one in the file')
    .option('--namespace <name...>', 'look after these namespaces only; instead of those in the file')
    .addOption(logLevelOption().default(undefined, 'that in the file, or info'))
    .action(async ({ kubeconfig, context, ...given }) => {
      const config = readOperatorConfig(given, readText);
      end(await surroundings.runOperator({ kubeconfig, context, config }));
    });

  program
    .command('agent', { hidden: true })
    .description('do one task; started by the operator')
    .requiredOption('--root <directory>')
    .action(async (options) => end(await surroundings.runAgent(options)));

  return program;
}

function notHere(kind: Kind, word: string, { namespace, name }: ObjectKey, home: string): Fault {
  return new Fault('ReferenceMissing', `there is no ${kind} ${namespace}/${name} in this home`, {
    hint: `List what there is with: backstay get ${word} -A --home ${home}`,
  });
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (thrown) {
    throw new Fault('SpecInvalid', `cannot read ${file}: ${(thrown as Error).message}`, {
      hint: 'Correct the name of the file.',
    });
  }
}
