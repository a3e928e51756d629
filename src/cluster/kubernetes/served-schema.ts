import { describeKind, type SchemaNode } from '../../api/crd.ts';
import { apiVersion, group, version } from '../../api/names.ts';
import { type Kind, kinds } from '../resource.ts';
import { ApiError } from './api-error.ts';
import type { ApiClient } from './http.ts';
import { groupVersionPath } from './paths.ts';

interface OpenApi {
  components?: { schemas?: Record<string, ServedNode> };
}

type ServedNode = SchemaNode & {
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[];
};

/**
 * What this version writes or reads and the served kinds do not know: fields, and words of an enum, such as
 * `BackupPolicy spec.jobs`. A kind of a later version knows more, and that is well. It is read from what the server says
 * of its API to everybody who may ask at all, so that no right on CustomResourceDefinitions is needed. Where even that is
 * forbidden the answer is empty: then a write is refused by its name.
 */
export async function unknownToServer(client: ApiClient, signal?: AbortSignal): Promise<string[]> {
  const schemas = await servedSchemas(client, signal);
  if (schemas === undefined) return [];
  return kinds.flatMap((kind) => {
    const served = schemas.find((schema) => isOf(schema, kind));
    const { spec, status } = describeKind(kind);
    return [
      ...missingIn(served?.properties?.['spec'], spec, 'spec'),
      ...missingIn(served?.properties?.['status'], status, 'status'),
    ].map((path) => `${kind} ${path}`);
  });
}

async function servedSchemas(client: ApiClient, signal: AbortSignal | undefined): Promise<ServedNode[] | undefined> {
  try {
    const path = `/openapi/v3${groupVersionPath}`;
    const { components } = await client.json<OpenApi>({ method: 'GET', path, ...(signal && { signal }) });
    return Object.values(components?.schemas ?? {});
  } catch (error) {
    if (error instanceof ApiError && (error.code === 'Forbidden' || error.status === 404)) return undefined;
    throw error;
  }
}

const isOf = (schema: ServedNode, kind: Kind): boolean =>
  schema['x-kubernetes-group-version-kind']?.some(
    (one) => one.kind === kind && one.group === group && one.version === version,
  ) ?? false;

/** Paths in `known` that `served` does not have; of a part that is missing as a whole only its root. */
export function missingIn(served: SchemaNode | undefined, known: SchemaNode, path: string): string[] {
  if (served === undefined) return [path];
  const words = (known.enum ?? []).filter((word) => served.enum !== undefined && !served.enum.includes(word));
  return [
    ...words.map((word) => `${path} "${word}"`),
    ...Object.entries(known.properties ?? {}).flatMap(([name, child]) =>
      missingIn(served.properties?.[name], child, `${path}.${name}`),
    ),
    ...(known.items === undefined ? [] : missingIn(served.items, known.items, `${path}[]`)),
  ];
}

/** One sentence for people; the list may be long after many versions. */
export function describeUnknown(unknown: readonly string[]): string {
  const [first, second, third, ...more] = unknown;
  const shown = [first, second, third].filter((one) => one !== undefined).join(', ');
  const rest = more.length === 0 ? '' : ` and ${more.length} more`;
  return `the API server has an older form of the kinds of ${apiVersion}: it does not know ${shown}${rest}`;
}
