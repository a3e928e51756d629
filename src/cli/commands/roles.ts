import { type Command, Option } from 'commander';
import { CommandError } from '../complaint.ts';
import { readOperatorConfig } from '../operator-config.ts';
import type { Session } from '../surroundings.ts';
import { readText } from './objects.ts';

const logLevelOption = (): Option =>
  new Option('--log-level <level>', 'how much is logged').choices(['debug', 'info', 'warn', 'error']).default('info');

/** The long-running roles of the program, and the keys that policies name. */
export function addRoles(program: Command, session: Session): void {
  program
    .command('standalone')
    .description('run on this machine, without Kubernetes; stop it at any time, backups that run go on')
    .option('--home <directory>', 'where it keeps its objects, tasks and secrets; left out: $BACKSTAY_HOME')
    .option('--tools <directory>', 'where pg_dump and pg_restore are; left out: the PATH')
    .addOption(logLevelOption())
    .addHelpText('after', '\nExample:\n  backstay standalone --home /var/lib/backstay')
    .action(async (options: { home?: string; tools?: string; logLevel: string }) => {
      const home = options.home ?? session.defaultHome;
      if (home === undefined) throw new CommandError('Usage', 'no home is named', 'Give --home or set BACKSTAY_HOME.');
      session.end(await session.runStandalone({ ...options, home }));
    });

  program
    .command('operator')
    .description('run in a Kubernetes cluster')
    .option('--kubeconfig <file>', 'left out: the service account of the pod')
    .option('--context <context>', 'context in the kubeconfig')
    .option('--config <file>', 'settings, YAML; docs/spec/operator/configuration.md lists them')
    .option('--image <image>', 'the image of Backstay that Jobs run; instead of the one in the file')
    .option('--namespace <namespace...>', 'look after these namespaces only; instead of those in the file')
    .addOption(logLevelOption().default(undefined, 'that in the file, or info'))
    .action(async ({ kubeconfig, context, ...given }) => {
      const config = readOperatorConfig(given, readText);
      session.end(await session.runOperator({ kubeconfig, context, config }));
    });

  program
    .command('agent', { hidden: true })
    .description('do one task; started by the operator')
    .requiredOption('--root <directory>')
    .action(async (options) => session.end(await session.runAgent(options)));
}

export function addKeys(program: Command, session: Session): void {
  const keys = program.command('keys').description('encryption keys').helpCommand(false);
  keys
    .command('generate')
    .description('make an age identity (secret) and print its recipient (public) as a comment above it')
    .addHelpText('after', '\nExample:\n  backstay keys generate > identity.txt')
    .action(async () => {
      const { identity, recipient } = await session.generateKey();
      session.print(`# public key, for spec.encryption.age.recipients: ${recipient}\n${identity}\n`);
    });
}
