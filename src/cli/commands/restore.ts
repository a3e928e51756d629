import { type Command, InvalidArgumentError, Option } from 'commander';
import { checkForeignSource } from '../../api/foreign-source.ts';
import { checkMode } from '../../api/mode.ts';
import { apiVersion, checkNameLength } from '../../api/names.ts';
import { parseSpec } from '../../api/parse.ts';
import { ObjectsError } from '../../cluster/objects.ts';
import { answer, answerOption, isMachineForm, named, render, speaker } from '../answer.ts';
import { CommandError } from '../complaint.ts';
import { exitCodes } from '../exit-codes.ts';
import { handName } from '../hand-name.ts';
import { addPlaceOptions, openPlace, type Place, type PlaceOptions, placeFlags, shellWord } from '../place.ts';
import { checkSource, type RestoreWishes, restoreSpec } from '../plan-restore.ts';
import type { Session } from '../surroundings.ts';
import { type WaitOptions, waitAndAnswer, waitOptions } from './waiting.ts';

interface RestoreOptions extends PlaceOptions, WaitOptions, RestoreWishes {
  name?: string;
  dryRun?: true;
}

/** `restore`: a backup into an empty database of a running server. */
export function addRestore(program: Command, session: Session): void {
  const command = program
    .command('restore')
    .description('restore a backup into an empty database: creates a RestoreRequest and prints its name')
    .addOption(new Option('--policy <policy>', 'its newest backup').conflicts('run'))
    .option('--run <run>', 'the backup of this BackupRun')
    .option(
      '--from-namespace <namespace>',
      'of policy or run, when it is another one; a BackupGrant there must allow it, and image, key of the store and ' +
        'identity are not taken from there: give --image, --store-secret and --identity-secret',
    )
    .requiredOption('--database <database>', 'the empty database to restore into')
    .addOption(new Option('--service <service>', 'Service of the server; in a cluster only').conflicts('host'))
    .option('--host <host>', 'host name or address of the server')
    .option('--port <port>', 'TCP port of the server', toPort)
    .requiredOption('--admin-secret <secret>', 'Secret with username and password of a role that may create everything')
    .option('--identity-secret <secret>', 'Secret with the age identity; left out: the one of the policy')
    .option(
      '--store-secret <secret>',
      'Secret with accessKeyId and secretAccessKey for a store of kind s3; left out: the one of the policy',
    )
    .option('--store-ca-secret <secret>', 'Secret with ca.crt of the store; together with --store-secret')
    .addOption(
      new Option('--tls-mode <mode>', 'of the connection; left out: Require').choices([
        'Disable',
        'Require',
        'VerifyCA',
        'VerifyFull',
      ]),
    )
    .option('--tls-ca-secret <secret>', 'Secret with ca.crt, for VerifyCA and VerifyFull')
    .option('--image <image>', 'image with pg_restore; left out: the one of the policy')
    .option('--name <name>', 'of the RestoreRequest; left out: one is made')
    .option('--dry-run', 'check, print the RestoreRequest as YAML, and do nothing');
  waitOptions(command)
    .addOption(answerOption())
    .addHelpText(
      'after',
      '\nExamples:\n  backstay restore --policy shop --database shop_check --service postgres --admin-secret shop-admin --wait' +
        '\n  backstay restore --run shop-nightly-202601010200 --database shop --host db2 --admin-secret shop-admin --dry-run',
    );
  addPlaceOptions(command).action(async (options: RestoreOptions) => {
    if (isMachineForm(options.output)) session.answerIn(options.output);
    const source = options.run ?? options.policy;
    if (source === undefined) throw new CommandError('Usage', 'nothing to restore is named', 'Give --policy or --run.');
    if (options.host === undefined && options.service === undefined) {
      throw new CommandError('Usage', 'no server to restore into is named', 'Give --service or --host.');
    }
    const spec = restoreSpec(options);
    const name = options.name ?? handName('RestoreRequest', source, session.clock.nowMs(), session.random);
    checkNameLength('RestoreRequest', name);
    const parsed = parseSpec('RestoreRequest', spec);
    const place = await openPlace(options, session);
    try {
      checkMode('RestoreRequest', parsed, place.mode);
      const { namespace, objects } = place;
      checkForeignSource(parsed, namespace, place.mode);
      await checkSource(options, objects, namespace, session.calledAs);
      const metadata = { name, namespace };
      if (options.dryRun === true) {
        session.print(
          render({ apiVersion, kind: 'RestoreRequest', metadata, spec }, options.output === 'json' ? 'json' : 'yaml'),
        );
        return;
      }
      await createRequest(session, place, options, { name, spec });
      const target = { kind: 'RestoreRequest' as const, ...metadata };
      const made = [{ ...named('RestoreRequest', target), change: 'created' as const }];
      speaker(session, options.output)(`RestoreRequest ${name} created`);
      if (options.wait === true) {
        await waitAndAnswer(session, place, options, { targets: [target], objects: made });
        return;
      }
      speaker(
        session,
        options.output,
      )(`  next: see how it goes with: ${session.calledAs} get request ${shellWord(name)}${placeFlags(options)}`);
      answer(session, options.output, { outcome: 'Started', exitCode: exitCodes.done, objects: made });
    } finally {
      place.close();
    }
  });
}

async function createRequest(
  { calledAs }: Session,
  { objects, namespace }: Place,
  options: RestoreOptions,
  { name, spec }: { name: string; spec: object },
): Promise<void> {
  try {
    await objects.create({ kind: 'RestoreRequest', metadata: { name, namespace }, spec });
  } catch (error) {
    if (!(error instanceof ObjectsError && error.code === 'AlreadyExists')) throw error;
    throw new CommandError(
      'Refused',
      `there is a RestoreRequest ${name} already, and a request cannot be changed`,
      `Give another --name, or delete that one: ${calledAs} delete request ${name}${placeFlags(options)}`,
    );
  }
}

function toPort(text: string): number {
  if (/^[0-9]{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a number.');
}
