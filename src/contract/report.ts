import { z } from 'zod';
import { isReason, type Reason } from '../base/reasons.ts';

/**
 * What the agent says at its end: `report.json` in the task's root, the termination message of its container. The
 * kubelet keeps only the last 4,096 bytes of a longer message, so a report never grows beyond `reportMaxBytes`; longer
 * things lie in the store. A report can be lost with its pod: no report means "unknown", never "failed".
 */
export const reportMaxBytes = 3_500;

export const setSummary = z.strictObject({
  runUid: z.string(),
  attempt: z.string(),
  lineage: z.string(),
  manifestKey: z.string(),
  manifestSha256: z.string(),
  /** RFC 3339: the moment the set is of. */
  consistentAt: z.string(),
  position: z.string(),
  plainBytes: z.number(),
  storedBytes: z.number(),
  objectCount: z.number(),
  tableCount: z.number(),
  rowCount: z.number(),
  serverVersion: z.string(),
  toolVersion: z.string(),
});
export type SetSummary = z.infer<typeof setSummary>;

export const restoreSummary = z.strictObject({
  bytes: z.number(),
  tableCount: z.number(),
  rowCount: z.number(),
  foreignKeyCount: z.number(),
  durationMs: z.number(),
});

const failed = z.strictObject({
  outcome: z.literal('failed'),
  reason: z.string().refine((word): word is Reason => isReason(word), 'not a reason of this version'),
  message: z.string(),
  hint: z.string(),
});

export const report = z.discriminatedUnion('outcome', [
  z.strictObject({ outcome: z.literal('backed-up'), set: setSummary }),
  /** The answer of `inspect` when the store holds no manifest of the run. */
  z.strictObject({ outcome: z.literal('no-manifest') }),
  z.strictObject({ outcome: z.literal('restored'), requestUid: z.string(), restore: restoreSummary }),
  /** The manifest may be in the store or not: whoever reads this has to look, as for a task without a report. */
  z.strictObject({ outcome: z.literal('unknown'), message: z.string() }),
  failed,
]);
export type Report = z.infer<typeof report>;

/**
 * JSON of at most `reportMaxBytes` bytes. Only a failure's message can be long (the last lines of a tool): it is cut
 * from the front, because tools say the cause last.
 */
export function encodeReport(value: Report): string {
  const text = JSON.stringify(value);
  const overBytes = Buffer.byteLength(text) - reportMaxBytes;
  if (overBytes <= 0 || !('message' in value)) return text;
  // Escaping can make a character longer than it was: cut until it fits.
  let keep = value.message.length;
  for (;;) {
    keep = Math.floor(keep * 0.8);
    const shorter = JSON.stringify({ ...value, message: `…${value.message.slice(value.message.length - keep)}` });
    if (Buffer.byteLength(shorter) <= reportMaxBytes || keep === 0) return shorter;
  }
}

/** The report in the text, or undefined when there is none that this version understands: then the outcome is unknown. */
export function decodeReport(text: string): Report | undefined {
  try {
    const parsed = report.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
