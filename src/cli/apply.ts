import { admit } from '../api/admit.ts';
import { checkNameLength } from '../api/names.ts';
import { Fault } from '../base/fault.ts';
import type { Draft } from '../cluster/resource.ts';
import { readDocuments } from './documents.ts';
import { faultOf } from './fault-of.ts';

/** Where `apply` puts objects. */
export interface Applier {
  /** The spec that an object of this kind and name has, or undefined. Throws ObjectsError for what cannot be a name. */
  storedSpec(draft: Draft): Promise<unknown>;
  apply(draft: Draft): Promise<'created' | 'configured' | 'unchanged'>;
}

export interface Applied {
  draft: Draft;
  change: 'created' | 'configured' | 'unchanged';
}

/**
 * Applies every object of the files, or none: all are read and checked, name, spec and change, before the first one is
 * written. Throws SpecInvalid with file and line, NotSupportedHere for what standalone cannot do.
 */
export async function applyFiles(
  files: readonly { name: string; text: string }[],
  target: Applier,
): Promise<Applied[]> {
  const drafts = files.flatMap(({ name, text }) => readDocuments(text, name).map((draft) => ({ draft, file: name })));
  for (const { draft, file } of drafts) await checkDraft(draft, file, target);
  const applied: Applied[] = [];
  for (const { draft } of drafts) applied.push({ draft, change: await target.apply(draft) });
  return applied;
}

async function checkDraft(draft: Draft, file: string, target: Applier): Promise<void> {
  const { kind, metadata, spec } = draft;
  try {
    checkNameLength(kind, metadata.name);
    admit(kind, spec, await target.storedSpec(draft));
  } catch (thrown) {
    const { reason, message, hint } = faultOf(thrown);
    throw new Fault(reason, message, { hint, where: `${file}, ${kind} ${metadata.name}`, cause: thrown });
  }
}
