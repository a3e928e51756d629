import type { FoundSet } from '../catalog/catalog.ts';
import type { SetSummary } from '../contract/report.ts';

/** What a report says of a set. */
export function summaryOf({ key, sha256, manifest }: FoundSet): SetSummary {
  const { runUid, attempt, lineage, consistentAt, position, totals, serverVersion, tools } = manifest;
  return {
    runUid,
    attempt,
    lineage,
    manifestKey: key,
    manifestSha256: sha256,
    consistentAt,
    position,
    ...totals,
    serverVersion,
    toolVersion: Object.entries(tools)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  };
}
