import { checkNameLength } from '../api/names.ts';
import { Fault } from '../base/fault.ts';
import type { Draft } from '../cluster/resource.ts';
import { readDocuments } from './documents.ts';
import { faultOf } from './fault-of.ts';

/** Where `apply` puts objects. */
export interface Applier {
  /** Throws, and writes nothing, when the place would refuse this object. */
  check(draft: Draft): Promise<void>;
  apply(draft: Draft): Promise<Change>;
}

export type Change = 'created' | 'configured' | 'unchanged';

export interface Applied {
  draft: Draft;
  change: Change;
}

export interface NamespaceRule {
  /** Of an object that names none. */
  fallback: string;
  /** Named by the person: an object of another one is refused. */
  only?: string;
}

/**
 * Applies every object of the files, or none: all are read and checked, name, spec and change, before the first one is
 * written. Throws SpecInvalid with file and line, NotSupportedHere for what the place cannot do.
 */
export async function applyFiles(
  files: readonly { name: string; text: string }[],
  target: Applier,
  namespace: NamespaceRule = { fallback: 'default' },
): Promise<Applied[]> {
  const drafts = files.flatMap(({ name, text }) =>
    readDocuments(text, name, namespace.fallback).map((draft) => ({ draft, file: name })),
  );
  for (const { draft, file } of drafts) await checkDraft(draft, file, target, namespace.only);
  const applied: Applied[] = [];
  for (const { draft } of drafts) applied.push({ draft, change: await target.apply(draft) });
  return applied;
}

async function checkDraft(draft: Draft, file: string, target: Applier, only: string | undefined): Promise<void> {
  const { kind, metadata } = draft;
  try {
    if (only !== undefined && metadata.namespace !== only) {
      throw new Fault('SpecInvalid', `metadata.namespace is ${metadata.namespace}, and --namespace ${only}`, {
        hint: 'Leave one of the two out, or make them the same.',
      });
    }
    checkNameLength(kind, metadata.name);
    await target.check(draft);
  } catch (thrown) {
    const fault = faultOf(thrown);
    // What is no fault of the object, such as a missing right, is told in its own words.
    if (fault.reason === 'Internal') throw thrown;
    const { reason, message, hint } = fault;
    throw new Fault(reason, message, { hint, where: `${file}, ${kind} ${metadata.name}`, cause: thrown });
  }
}
