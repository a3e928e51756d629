import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDurationMs } from '../../base/duration.ts';
import type { Fault } from '../../base/fault.ts';
import { type AnswerForm, answer, speaker } from '../answer.ts';
import type { Result } from '../contract.ts';
import { liveLine } from '../live-line.ts';
import { type Place, type PlaceOptions, placeFlags } from '../place.ts';
import type { Session } from '../surroundings.ts';
import { type WaitTarget, waitForEnd } from '../wait.ts';

export const waitOptions = (command: Command): Command =>
  command
    .option('--wait', 'wait for the end; the exit code is the outcome')
    .addOption(
      new Option('--timeout <duration>', 'how long to wait; exit code 7 when it is over')
        .argParser(toMs)
        .default(parseDurationMs('24h'), '24h')
        .implies({ wait: true }),
    );

export interface WaitOptions {
  wait?: true;
  /** In milliseconds. */
  timeout: number;
  output: AnswerForm;
}

function toMs(text: string): number {
  try {
    return parseDurationMs(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Fault).hint);
  }
}

/** Waits, says what happens, and answers with the outcome; on the ways that leave work behind it says how to see it. */
export async function waitAndAnswer(
  session: Session,
  place: Place,
  options: PlaceOptions & WaitOptions,
  { targets, objects }: { targets: readonly WaitTarget[]; objects: Result['objects'] },
): Promise<void> {
  const say = speaker(session, options.output);
  const { outcome, exitCode, ends } = await waitForEnd(targets, {
    objects: place.objects,
    clock: session.clock,
    timeoutMs: options.timeout,
    pollMs: place.pollMs,
    signal: session.stopSignal(),
    say,
    ...(session.columns !== undefined && { show: liveLine(session.printError, session.columns) }),
  });
  const open = ends.filter(({ phase = '' }) => !['Succeeded', 'Failed', 'Gone'].includes(phase));
  for (const { kind, name } of open) {
    const word = kind === 'BackupRun' ? 'run' : 'request';
    say(`  next: see how it goes with: ${session.calledAs} get ${word} ${name}${placeFlags(options)}`);
  }
  const endOf = new Map(ends.map((end) => [`${end.kind}/${end.namespace}/${end.name}`, end]));
  answer(session, options.output, {
    outcome,
    exitCode,
    objects: objects.map((object) => ({
      ...object,
      ...endOf.get(`${object.kind}/${object.namespace}/${object.name}`),
    })),
  });
}
