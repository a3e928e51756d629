import { checkMode } from '../api/mode.ts';
import { parseSpec } from '../api/parse.ts';
import { Fault } from '../base/fault.ts';
import type { Draft } from '../cluster/resource.ts';
import { readDocuments } from './documents.ts';

/** Where `apply` puts objects. */
export interface Applier {
  apply(draft: Draft): Promise<'created' | 'configured' | 'unchanged'>;
}

export interface Applied {
  draft: Draft;
  change: 'created' | 'configured' | 'unchanged';
}

/**
 * Applies every object of the files, or none: all are read and checked before the first one is written. Throws
 * SpecInvalid with file and line, NotSupportedHere for what standalone cannot do.
 */
export async function applyFiles(
  files: readonly { name: string; text: string }[],
  target: Applier,
): Promise<Applied[]> {
  const drafts = files.flatMap(({ name, text }) => readDocuments(text, name).map((draft) => ({ draft, file: name })));
  for (const { draft, file } of drafts) checkDraft(draft, file);
  const applied: Applied[] = [];
  for (const { draft } of drafts) applied.push({ draft, change: await target.apply(draft) });
  return applied;
}

function checkDraft({ kind, metadata, spec }: Draft, file: string): void {
  try {
    checkMode(kind, parseSpec(kind, spec), 'standalone');
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    throw new Fault(thrown.reason, thrown.message, {
      hint: thrown.hint,
      where: `${file}, ${kind} ${metadata.name}`,
      cause: thrown,
    });
  }
}
