import { z } from 'zod';
import { decodeDocument, encodeDocument, formatVersion } from './document.ts';
import { attemptFolder, manifestKey } from './layout.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'not a SHA-256');
const sizeBytes = z.int().nonnegative();
const time = z.iso.datetime();

const packed = {
  key: z.string(),
  plainBytes: sizeBytes,
  plainSha256: sha256,
  storedBytes: sizeBytes,
  storedSha256: sha256,
};

/**
 * A backup set, written last: while it is not there, there is no backup; once it is there, it never changes. It holds
 * what a restore needs and neither secrets nor business data (names and row counts lie in the details). Times are
 * RFC 3339. The objects of a part, concatenated in this order, are the part's stream.
 */
const manifest = z
  .object({
    formatVersion: z.literal(formatVersion),
    runUid: z.string(),
    attempt: z.string(),
    lineage: z.string(),
    engine: z.literal('PostgreSQL'),
    serverVersion: z.string(),
    method: z.literal('Dump'),
    type: z.literal('Full'),
    /** A full set stands alone. */
    parent: z.null(),
    /** Where the log of the server stood at `consistentAt`. */
    position: z.string(),
    /** The moment the set is of, by the server's clock. */
    consistentAt: time,
    startedAt: time,
    completedAt: time,
    compression: z.object({ algorithm: z.enum(['Zstd', 'Gzip', 'None']), level: z.int() }),
    /** Null: not encrypted. */
    encryption: z.object({ format: z.literal('age'), recipients: z.array(z.string()).min(1) }).nullable(),
    objects: z.array(z.object({ part: z.string(), ...packed })).min(1),
    details: z.object(packed),
    totals: z.object({
      objectCount: sizeBytes,
      plainBytes: sizeBytes,
      storedBytes: sizeBytes,
      /** Sums only: which table has how many rows is in the details. */
      tableCount: sizeBytes,
      rowCount: sizeBytes,
    }),
    /** Which tools made it, by name: `pg_dump: 18.6`. */
    tools: z.record(z.string(), z.string()),
    agentVersion: z.string(),
  })
  .superRefine((value, context) => {
    const wrong = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    const { objects, totals } = value;
    // A manifest that points elsewhere would make a restore read, or a check bless, somebody else's object.
    const folder = /^[0-9A-Za-z-]+$/.test(value.lineage + value.runUid + value.attempt)
      ? attemptFolder(value)
      : undefined;
    const keys = [...objects.map(({ key }) => key), value.details.key];
    for (const [index, key] of keys.entries()) {
      const own = folder !== undefined && key.startsWith(folder) && !key.slice(folder.length).includes('/');
      if (!own) wrong(['objects', index, 'key'], 'does not lie in the folder of the attempt');
    }
    if (new Set(keys).size !== keys.length) wrong(['objects'], 'one object is named twice');
    const sum = (field: 'plainBytes' | 'storedBytes'): number =>
      objects.reduce((total, object) => total + object[field], 0);
    if (totals.objectCount !== objects.length) wrong(['totals', 'objectCount'], 'is not the count of the objects');
    if (totals.plainBytes !== sum('plainBytes')) wrong(['totals', 'plainBytes'], 'is not the sum of the objects');
    if (totals.storedBytes !== sum('storedBytes')) wrong(['totals', 'storedBytes'], 'is not the sum of the objects');
  });

export type Manifest = z.infer<typeof manifest>;

/** Canonical: the same manifest always gives the same bytes. */
export function encodeManifest(value: Manifest): Uint8Array {
  return encodeDocument(value);
}

/** Throws FormatNewer or DataCorrupt; `where` is its key, which must be the one that the manifest itself belongs under. */
export function decodeManifest(bytes: Uint8Array, where: string): Manifest {
  const here = manifest.refine((value) => manifestKey(value) === where, 'is the manifest of another set');
  return decodeDocument(here, bytes, where);
}
