import { LineCounter, parseAllDocuments } from 'yaml';
import { apiVersion, kindNames } from '../api/names.ts';
import { Fault } from '../base/fault.ts';
import { nearestName } from '../base/nearest.ts';
import type { Draft, Kind } from '../cluster/resource.ts';

/**
 * The objects in a YAML (or JSON) text, as a user wrote them; the specs are not looked at here. Throws SpecInvalid that
 * names file, line and column for text that is not YAML, and file and line for a document that is no object of ours.
 * An object without a namespace gets `fallbackNamespace`. Documents that hold nothing are passed over; a text without any object is refused, because an empty file is most often
 * a template that went wrong.
 */
export function readDocuments(text: string, file: string, fallbackNamespace = 'default'): Draft[] {
  const lines = new LineCounter();
  const drafts: Draft[] = [];
  // Aliases can blow a few bytes up to gigabytes; nobody needs many in these objects.
  for (const document of parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false })) {
    const error = document.errors[0];
    if (error !== undefined) {
      const { line, col } = lines.linePos(error.pos[0]);
      throw new Fault('SpecInvalid', `this is not YAML: ${error.message}`, {
        where: `${file}:${line}:${col}`,
        hint: 'Correct the text at that place; indentation and a missing colon are the usual causes.',
      });
    }
    const { line } = lines.linePos(document.contents?.range?.[0] ?? document.range[0]);
    const where = `${file}:${line}`;
    const value: unknown = document.toJS({ maxAliasCount: 50 });
    if (value !== null && value !== undefined) drafts.push(readDraft(value, where, fallbackNamespace));
  }
  if (drafts.length === 0) {
    throw new Fault('SpecInvalid', 'there is no object in this file', {
      where: file,
      hint: 'See examples/ for what one looks like.',
    });
  }
  return drafts;
}

function readDraft(value: unknown, where: string, fallbackNamespace: string): Draft {
  const refuse = (message: string, hint: string): Fault => new Fault('SpecInvalid', message, { where, hint });
  if (!isRecord(value))
    throw refuse('this document is not an object', 'It must have apiVersion, kind, metadata and spec.');
  const { apiVersion: version, kind, metadata, spec } = value;
  if (version !== apiVersion) {
    throw refuse(`apiVersion is ${JSON.stringify(version)}`, `Write apiVersion: ${apiVersion}.`);
  }
  if (typeof kind !== 'string' || !Object.hasOwn(kindNames, kind)) {
    const known = Object.keys(kindNames);
    const near = typeof kind === 'string' ? nearestName(kind, known) : undefined;
    throw refuse(
      `kind is ${JSON.stringify(kind)}`,
      near === undefined ? `The kinds are ${known.join(', ')}.` : `Did you mean ${near}?`,
    );
  }
  if (!isRecord(metadata) || typeof metadata['name'] !== 'string') {
    throw refuse('metadata.name is missing', 'Give the object a name: small letters, digits and dashes.');
  }
  const known = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];
  const stranger = Object.keys(value).find((name) => !known.includes(name));
  if (stranger !== undefined) {
    throw refuse(
      `${JSON.stringify(stranger)} is no field of an object`,
      'An object has apiVersion, kind, metadata and spec.',
    );
  }
  const { name, namespace, labels, annotations } = metadata;
  if (namespace !== undefined && typeof namespace !== 'string') {
    throw refuse(
      'metadata.namespace is not text',
      'Write the namespace as text, in quotes when it looks like a number.',
    );
  }
  return {
    kind: kind as Kind,
    metadata: {
      name: name as string,
      namespace: namespace ?? fallbackNamespace,
      ...(isTexts(labels) ? { labels } : {}),
      ...(isTexts(annotations) ? { annotations } : {}),
    },
    spec: spec ?? {},
  };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isTexts = (value: unknown): value is Record<string, string> =>
  isRecord(value) && Object.values(value).every((item) => typeof item === 'string');
