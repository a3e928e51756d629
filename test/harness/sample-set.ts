import { createHash } from 'node:crypto';
import { type AttemptName, detailsKey, objectKey } from '../../src/catalog/layout.ts';
import type { Manifest } from '../../src/catalog/manifest.ts';

const packing = { compression: 'None', encrypted: false } as const;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A whole set, small and made up: its manifest, and the objects that it names with their content. */
export function sampleSet(attempt: AttemptName, contents: readonly string[] = ['first object', 'second object']) {
  const packed = (key: string, content: string) => ({
    key,
    plainBytes: content.length,
    plainSha256: sha256(content),
    storedBytes: content.length,
    storedSha256: sha256(content),
  });
  const details = packed(detailsKey(attempt, packing), '{}');
  const objects = contents.map((content, i) => packed(objectKey(attempt, 'data', i + 1, 'dump', packing), content));
  const bytes = contents.join('').length;
  const manifest: Manifest = {
    formatVersion: 1,
    ...attempt,
    engine: 'PostgreSQL',
    serverVersion: '18.6',
    method: 'Dump',
    type: 'Full',
    parent: null,
    position: '0/1A2B3C4',
    consistentAt: '2026-01-01T02:00:01Z',
    startedAt: '2026-01-01T02:00:00Z',
    completedAt: '2026-01-01T02:00:09Z',
    compression: { algorithm: 'None', level: 0 },
    encryption: null,
    objects: objects.map((object) => ({ part: 'data', ...object })),
    details,
    totals: { objectCount: objects.length, plainBytes: bytes, storedBytes: bytes, tableCount: 2, rowCount: 20_500 },
    tools: { pg_dump: '18.6' },
    agentVersion: '0.1.0',
  };
  const files = [
    ...objects.map(({ key }, i) => ({ key, content: contents[i] ?? '' })),
    { key: details.key, content: '{}' },
  ];
  return { manifest, files };
}
