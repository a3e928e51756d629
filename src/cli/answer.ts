import { Option } from 'commander';
import { stringify } from 'yaml';
import type { Kind, ObjectKey } from '../cluster/resource.ts';
import { contractVersion, type Result } from './contract.ts';
import type { Session } from './surroundings.ts';

export type AnswerForm = 'text' | 'json' | 'yaml' | 'name';

export const answerOption = (): Option =>
  new Option('-o, --output <form>', 'form of the answer').choices(['text', 'json', 'yaml', 'name']).default('text');

/** One whole JSON or YAML text, with a line break at its end. */
export function render(value: unknown, form: 'json' | 'yaml'): string {
  return form === 'json'
    ? `${JSON.stringify(value, null, 2)}\n`
    : stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

export const isMachineForm = (form: string): form is 'json' | 'yaml' => form === 'json' || form === 'yaml';

/** The result as a machine reads it: the one thing on the standard output, and the last one. */
export function answer(session: Session, form: AnswerForm, result: Omit<Result, 'apiVersion' | 'kind'>): void {
  session.end(result.exitCode);
  if (isMachineForm(form)) session.print(render({ apiVersion: contractVersion, kind: 'Result', ...result }, form));
  else if (form === 'name') session.print(result.objects.map(({ name }) => `${name}\n`).join(''));
}

/** Where the lines for people go: beside the answer when that is for a machine. */
export const speaker =
  (session: Session, form: AnswerForm): ((line: string) => void) =>
  (line) =>
    form === 'text' ? session.print(`${line}\n`) : session.printError(`${line}\n`);

export const named = (kind: Kind, { namespace, name }: ObjectKey) => ({ kind, namespace, name });
