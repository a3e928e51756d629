import type { Argument, Command, Option } from 'commander';
import type { Kind } from '../../cluster/resource.ts';
import { kindFromWord, kindWords } from '../kind.ts';
import type { PlaceOptions } from '../place.ts';

/** What a shell is told besides the words: cobra's directives, which kubectl understands too. */
export const directives = { files: 0, noFiles: 4, directories: 16 } as const;

export interface Completion {
  /** What may stand here, with a description where there is one. */
  words: { word: string; about?: string }[];
  directive: number;
}

/** Asks the place for names. Never fails: a place that does not answer has none. */
export type NamesOf = (kind: Kind, options: PlaceOptions) => Promise<string[]>;

const nothing: Completion = { words: [], directive: directives.noFiles };

/**
 * What may stand in the place of the last of `words` (which may be empty), read off the tree of commands, so that it
 * cannot fall behind it; names of objects come from the place that the words before it name.
 */
export async function complete(program: Command, words: readonly string[], namesOf: NamesOf): Promise<Completion> {
  const typed = words.at(-1) ?? '';
  const line = readLine(program, words.slice(0, -1));
  // `--option=val`: the shells put what is before the value in front again.
  const [, flag, value] = /^(--[^=]+)=(.*)$/s.exec(typed) ?? [];
  const option = line.command.options.find(({ long, required }) => required && long === flag);
  const current = option === undefined ? typed : (value ?? '');
  if (option !== undefined) line.open = option;
  const found = await candidates(line, current, namesOf);
  return { ...found, words: found.words.filter(({ word }) => word.startsWith(current)) };
}

interface Line {
  command: Command;
  positional: string[];
  values: Map<string, string>;
  /** The option that the current word is the value of. */
  open: Option | undefined;
  /** After `--` there are no options. */
  isPlain: boolean;
}

function readLine(program: Command, words: readonly string[]): Line {
  const line: Line = { command: program, positional: [], values: new Map(), open: undefined, isPlain: false };
  for (const word of words) {
    if (line.open !== undefined) {
      line.values.set(line.open.attributeName(), word);
      line.open = undefined;
    } else if (line.isPlain || !word.startsWith('-')) {
      const child = line.positional.length === 0 ? line.command.commands.find((one) => one.name() === word) : undefined;
      if (child === undefined) line.positional.push(word);
      else line.command = child;
    } else if (word === '--') line.isPlain = true;
    else {
      const [flag, value] = word.split('=', 2);
      const option = line.command.options.find(({ short, long }) => short === flag || long === flag);
      if (option === undefined || (!option.required && !option.optional)) continue;
      if (value === undefined) line.open = option;
      else line.values.set(option.attributeName(), value);
    }
  }
  return line;
}

async function candidates(
  { command, positional, values, open, isPlain }: Line,
  current: string,
  namesOf: NamesOf,
): Promise<Completion> {
  const place = Object.fromEntries(values) as PlaceOptions;
  if (open !== undefined) return valuesOf(open, place, namesOf);
  if (!isPlain && current.startsWith('-')) {
    const options = command.createHelp().visibleOptions(command);
    const words = options.map(({ long, short, description }) => ({ word: long ?? short ?? '', about: description }));
    return { words, directive: directives.noFiles };
  }
  const children = command.createHelp().visibleCommands(command);
  if (children.length > 0 && positional.length === 0) {
    const words = children.map((child) => ({ word: child.name(), about: child.description() }));
    return { words, directive: directives.noFiles };
  }
  const argument = command.registeredArguments[positional.length];
  return argument === undefined ? nothing : argumentWords(argument, positional, place, namesOf);
}

async function argumentWords(
  argument: Argument,
  positional: readonly string[],
  place: PlaceOptions,
  namesOf: NamesOf,
): Promise<Completion> {
  if (argument.argChoices !== undefined) return plain(argument.argChoices);
  switch (argument.name()) {
    case 'policy':
      return plain(await namesOf('BackupPolicy', place));
    case 'kind':
      return plain(kindWords());
    case 'name': {
      const kind = kindOrNone(positional[0]);
      return kind === undefined ? nothing : plain(await namesOf(kind, place));
    }
    default:
      return nothing;
  }
}

/** The word in the brackets of an option says what its value is. */
async function valuesOf(option: Option, place: PlaceOptions, namesOf: NamesOf): Promise<Completion> {
  if (option.argChoices !== undefined) return plain(option.argChoices);
  switch (/<([a-z-]+)/.exec(option.flags)?.[1]) {
    case 'policy':
      return plain(await namesOf('BackupPolicy', place));
    case 'run':
      return plain(await namesOf('BackupRun', place));
    case 'file':
      return { words: [], directive: directives.files };
    case 'directory':
      return { words: [], directive: directives.directories };
    default:
      return nothing;
  }
}

const plain = (words: readonly string[]): Completion => ({
  words: words.map((word) => ({ word })),
  directive: directives.noFiles,
});

function kindOrNone(word: string | undefined): Kind | undefined {
  try {
    return word === undefined ? undefined : kindFromWord(word);
  } catch {
    return undefined;
  }
}
