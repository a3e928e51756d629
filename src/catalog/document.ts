import { createHash } from 'node:crypto';
import { z } from 'zod';
import { Fault } from '../base/fault.ts';
import type { Store } from '../store/store.ts';

/** The version of everything in a repository. A change that an older Backstay could misread raises it. */
export const formatVersion = 1;

// The manifest of a database of 100 TB stays below it; whatever is larger is no document of ours.
const longestBytes = 64 * 1024 * 1024;

/**
 * One way to write a value: keys sorted, indented for people, a newline at the end. Equal values give equal bytes, so
 * that a writer that lost an answer can compare what it finds with what it wrote.
 */
export function encodeDocument(value: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(sorted(value), null, 2)}\n`);
}

/**
 * The document in the bytes. Throws FormatNewer when a newer Backstay wrote it, DataCorrupt with the place when it is
 * not what it should be. Unknown fields are passed over: a newer Backstay may add what an older one can do without.
 */
export function decodeDocument<T extends z.ZodType>(schema: T, bytes: Uint8Array, key: string): z.infer<T> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (thrown) {
    throw new Fault('DataCorrupt', 'the document is not JSON', { where: key, cause: thrown });
  }
  const version = z.object({ formatVersion: z.int() }).safeParse(value);
  if (version.success && version.data.formatVersion > formatVersion) {
    const found = version.data.formatVersion;
    throw new Fault('FormatNewer', `the document has format ${found}, this version knows ${formatVersion}`, {
      where: key,
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('.') || 'the whole';
  throw new Fault('DataCorrupt', `the document is damaged at ${field}: ${issue?.message}`, { where: key });
}

/** The bytes of a document, or undefined when there is none. */
export async function readDocument(store: Store, key: string, signal?: AbortSignal): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let countBytes = 0;
  try {
    for await (const chunk of store.read(key, signal === undefined ? {} : { signal })) {
      countBytes += chunk.length;
      if (countBytes > longestBytes)
        throw new Fault('DataCorrupt', 'the document is too long to be one', { where: key });
      chunks.push(chunk);
    }
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.reason === 'BackupMissing') return undefined;
    throw thrown;
  }
  return Buffer.concat(chunks);
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
