import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { Fault } from '../../base/fault.ts';
import type { Kind, ObjectKey } from '../../cluster/resource.ts';
import { type AnswerForm, answer, answerOption, isMachineForm, named, render, speaker } from '../answer.ts';
import { applyFiles } from '../apply.ts';
import { exitCodes } from '../exit-codes.ts';
import { kindFromWord } from '../kind.ts';
import { renderObjects } from '../list.ts';
import { addPlaceOptions, openPlace, type PlaceOptions, placeFlags, shellWord } from '../place.ts';
import type { Session } from '../surroundings.ts';
import type { WaitTarget } from '../wait.ts';
import { type WaitOptions, waitAndAnswer, waitOptions } from './waiting.ts';

interface ApplyOptions extends PlaceOptions, WaitOptions {
  file: string[];
}

interface GetOptions extends PlaceOptions {
  allNamespaces?: true;
  output: 'table' | 'wide' | 'json' | 'yaml' | 'name';
}

/** `apply`, `get` and `delete`: the objects as they are, in a cluster or in a home. */
export function addObjectCommands(program: Command, session: Session): void {
  addApply(program, session);
  addGet(program, session);
  addDelete(program, session);
}

function addApply(program: Command, session: Session): void {
  const command = program
    .command('apply')
    .description('create objects or change them, from YAML files; all or none of them')
    .requiredOption('-f, --file <file...>', 'YAML file; - is the standard input');
  waitOptions(command)
    .addOption(answerOption())
    .addHelpText(
      'after',
      '\nExamples:\n  backstay apply -f policy.yaml\n  backstay apply --home /var/lib/backstay -f run.yaml --wait',
    );
  addPlaceOptions(command).action(async (options: ApplyOptions) => {
    if (isMachineForm(options.output)) session.answerIn(options.output);
    const files = options.file.map((name) => ({ name, text: readText(name) }));
    const place = await openPlace(options, session);
    try {
      const only = options.namespace;
      const applied = await applyFiles(files, place.applier, {
        fallback: place.namespace,
        ...(only !== undefined && { only }),
      });
      const say = speaker(session, options.output);
      for (const { draft, change } of applied) say(`${draft.kind} ${draft.metadata.name} ${change}`);
      const objects = applied.map(({ draft, change }) => ({ ...named(draft.kind, draft.metadata), change }));
      if (options.wait !== true) {
        answer(session, options.output, { outcome: 'Done', exitCode: exitCodes.done, objects });
        return;
      }
      const targets = objects.filter(({ kind }) => kind === 'BackupRun' || kind === 'RestoreRequest') as WaitTarget[];
      await waitAndAnswer(session, place, options, { targets, objects });
    } finally {
      place.close();
    }
  });
}

function addGet(program: Command, session: Session): void {
  const command = program
    .command('get')
    .description('show policies, runs, requests or grants')
    .argument('<kind>', 'policies, runs, requests or grants')
    .argument('[name]', 'only this one')
    .option('-A, --all-namespaces', 'in all namespaces')
    .addOption(
      new Option('-o, --output <form>', 'form of the answer')
        .choices(['table', 'wide', 'json', 'yaml', 'name'])
        .default('table'),
    )
    .addHelpText('after', '\nExamples:\n  backstay get runs\n  backstay get run shop-nightly-202601010200 -o yaml');
  addPlaceOptions(command).action(async (word: string, name: string | undefined, options: GetOptions) => {
    const kind = kindFromWord(word);
    const { output } = options;
    if (isMachineForm(output)) session.answerIn(output);
    const place = await openPlace(options, session);
    try {
      const { objects, namespace } = place;
      const all = options.allNamespaces === true;
      const found =
        name === undefined
          ? await objects.list(kind, all ? undefined : namespace)
          : [await objects.get(kind, { namespace, name })].filter((object) => object !== undefined);
      if (name !== undefined && found.length === 0) throw notHere(session, options, kind, word, { namespace, name });
      found.sort((a, b) => a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp));
      if (isMachineForm(output)) {
        session.print(render(name === undefined ? { apiVersion: 'v1', kind: 'List', items: found } : found[0], output));
      } else if (output === 'name') session.print(found.map(({ metadata }) => `${metadata.name}\n`).join(''));
      else {
        const table = { showNamespace: all, wide: output === 'wide' };
        session.print(`${renderObjects(kind, found, session.clock.nowMs(), table)}\n`);
      }
    } finally {
      place.close();
    }
  });
}

function addDelete(program: Command, session: Session): void {
  const command = program
    .command('delete')
    .description('delete an object; what lies in the store stays')
    .argument('<kind>', 'policy, run, request or grant')
    .argument('<name>')
    .addOption(answerOption())
    .addHelpText('after', '\nExample:\n  backstay delete request shop-back');
  addPlaceOptions(command).action(
    async (word: string, name: string, options: PlaceOptions & { output: AnswerForm }) => {
      const kind = kindFromWord(word);
      if (isMachineForm(options.output)) session.answerIn(options.output);
      const place = await openPlace(options, session);
      try {
        const key = { namespace: place.namespace, name };
        // Who misspelt a name must not read that it is gone.
        if ((await place.objects.get(kind, key)) === undefined) throw notHere(session, options, kind, word, key);
        await place.objects.delete(kind, key);
        speaker(session, options.output)(`${kind} ${name} deleted; its data stays in the store`);
        const objects = [{ ...named(kind, key), change: 'deleted' as const }];
        answer(session, options.output, { outcome: 'Done', exitCode: exitCodes.done, objects });
      } finally {
        place.close();
      }
    },
  );
}

function notHere(
  { calledAs }: Session,
  { namespace: _any, ...options }: PlaceOptions,
  kind: Kind,
  word: string,
  { namespace, name }: ObjectKey,
): Fault {
  return new Fault('ReferenceMissing', `there is no ${kind} ${namespace}/${name} in this place`, {
    hint: `List what there is with: ${calledAs} get ${shellWord(word)} -A${placeFlags(options)}`,
  });
}

export function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (thrown) {
    throw new Fault('SpecInvalid', `cannot read ${file}: ${(thrown as Error).message}`, {
      hint: 'Correct the name of the file.',
    });
  }
}
