import { z } from 'zod';
import { Fault } from '../base/fault.ts';
import type { DumpDetails } from '../engine/engine.ts';

const details = z.object({
  database: z.string(),
  encoding: z.string(),
  collation: z.string(),
  characterType: z.string(),
  localeProvider: z.enum(['libc', 'icu', 'builtin']),
  providerLocale: z.string().nullable(),
  icuRules: z.string().nullable(),
  serverVersion: z.string(),
  tables: z.array(z.object({ schema: z.string(), table: z.string(), rows: z.int() })),
  roles: z.array(z.string()),
  extensions: z.array(z.string()),
  forcedRowSecurity: z.array(z.string()),
  foreignKeyCount: z.int(),
});

export function encodeDetails(value: DumpDetails): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** Throws DataCorrupt that names `where`. */
export function decodeDetails(bytes: Uint8Array, where: string): DumpDetails {
  try {
    return details.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (cause) {
    throw new Fault('DataCorrupt', 'the details of the backup cannot be read', { where, cause });
  }
}
