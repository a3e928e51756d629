import type { Command } from 'commander';
import { ObjectsError } from '../../cluster/objects.ts';
import { answer, answerOption, isMachineForm, named, speaker } from '../answer.ts';
import { CommandError } from '../complaint.ts';
import { exitCodes } from '../exit-codes.ts';
import { handName } from '../hand-name.ts';
import { addPlaceOptions, openPlace, type Place, type PlaceOptions, placeFlags, shellWord } from '../place.ts';
import { planBackup } from '../plan-backup.ts';
import type { Session } from '../surroundings.ts';
import { type WaitOptions, waitAndAnswer, waitOptions } from './waiting.ts';

interface BackupOptions extends PlaceOptions, WaitOptions {
  database?: string;
}

/** `backup POLICY`: a run now, beside those of the schedules. */
export function addBackup(program: Command, session: Session): void {
  const command = program
    .command('backup')
    .description('back up now what a policy says: creates a BackupRun and prints its name')
    .argument('<policy>', 'the BackupPolicy')
    .option('--database <database>', 'left out: the one that the schedules of the policy name');
  waitOptions(command)
    .addOption(answerOption())
    .addHelpText('after', '\nExamples:\n  backstay backup shop --wait\n  backstay backup shop --database shop -o name');
  addPlaceOptions(command).action(async (policyName: string, options: BackupOptions) => {
    if (isMachineForm(options.output)) session.answerIn(options.output);
    const place = await openPlace(options, session);
    try {
      const { namespace } = place;
      const policy = await place.objects.get('BackupPolicy', { namespace, name: policyName });
      if (policy === undefined) {
        const { namespace: _any, ...elsewhere } = options;
        throw new CommandError(
          'Refused',
          `there is no BackupPolicy ${policyName} in namespace ${namespace}`,
          `List what there is with: ${session.calledAs} get policies -A${placeFlags(elsewhere)}`,
        );
      }
      const spec = planBackup(policy, options.database, place.mode);
      const name = await createRun(session, place, policyName, spec);
      const target = { kind: 'BackupRun' as const, namespace, name };
      const objects = [{ ...named('BackupRun', target), change: 'created' as const }];
      speaker(session, options.output)(`BackupRun ${name} created`);
      if (options.wait === true) {
        await waitAndAnswer(session, place, options, { targets: [target], objects });
        return;
      }
      speaker(
        session,
        options.output,
      )(`  next: see how it goes with: ${session.calledAs} get run ${shellWord(name)}${placeFlags(options)}`);
      answer(session, options.output, { outcome: 'Started', exitCode: exitCodes.done, objects });
    } finally {
      place.close();
    }
  });
}

/** A name that is taken is somebody else's run of the same minute: then another one. */
async function createRun(
  { clock, random }: Session,
  { objects, namespace }: Place,
  policy: string,
  spec: object,
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const name = handName('BackupRun', policy, clock.nowMs(), random);
    try {
      await objects.create({ kind: 'BackupRun', metadata: { name, namespace }, spec });
      return name;
    } catch (error) {
      if (!(error instanceof ObjectsError && error.code === 'AlreadyExists') || attempt === 5) throw error;
    }
  }
}
