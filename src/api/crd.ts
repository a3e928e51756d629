import { z } from 'zod';
import { backupGrantSpec, backupGrantStatus } from './backup-grant.ts';
import { backupPolicySpec, backupPolicyStatus } from './backup-policy.ts';
import { backupRunSpec, backupRunStatus } from './backup-run.ts';
import { category, group, type KindName, kindNames, nameMaxLength, version } from './names.ts';
import { restoreRequestSpec, restoreRequestStatus } from './restore-request.ts';

/** A structural schema: every node has one type, and nothing is said by oneOf, anyOf or $ref. */
export interface SchemaNode {
  type: string;
  description?: string;
  properties?: Record<string, SchemaNode>;
  required?: string[];
  items?: SchemaNode;
  default?: unknown;
  enum?: string[];
  'x-kubernetes-validations'?: { rule: string; message: string }[];
  [keyword: string]: unknown;
}

interface Column {
  name: string;
  type: 'string' | 'date' | 'integer';
  jsonPath: string;
  description: string;
  /** 1: shown by `-o wide` only. */
  priority?: 1;
}

const ready = (field: 'status' | 'reason' | 'message'): string => `.status.conditions[?(@.type=="Ready")].${field}`;

const phase: Column = { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'Where it stands.' };
const duration: Column = {
  name: 'Duration',
  type: 'string',
  jsonPath: '.status.duration',
  description: 'From the start of the first task to the end.',
};
const age: Column = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Since it was made.',
};
const reason: Column = {
  name: 'Reason',
  type: 'string',
  jsonPath: ready('reason'),
  description: 'The condition Ready in one word.',
};
const message: Column = {
  name: 'Message',
  type: 'string',
  jsonPath: ready('message'),
  priority: 1,
  description: 'The same in a sentence.',
};

const progress: Column = {
  name: 'Progress',
  type: 'string',
  jsonPath: '.status.progress.summary',
  priority: 1,
  description: 'How far the task is that runs now.',
};

const parts: Record<KindName, { spec: z.ZodType; status: z.ZodType; about: string; columns: Column[] }> = {
  BackupPolicy: {
    spec: backupPolicySpec,
    status: backupPolicyStatus,
    about: 'What is backed up, when, where to, and how it is kept secret.',
    columns: [
      {
        name: 'Last success',
        type: 'date',
        jsonPath: '.status.lastSuccess.time',
        description: 'Age of the newest backup.',
      },
      {
        name: 'Size',
        type: 'string',
        jsonPath: '.status.lastSuccess.size',
        description: 'Bytes of that backup in the store.',
      },
      {
        name: 'Next run',
        type: 'string',
        jsonPath: '.status.nextRun',
        description: 'When a schedule makes the next run.',
      },
      { name: 'Ready', type: 'string', jsonPath: ready('status'), description: 'True, False or Unknown.' },
      reason,
      message,
    ],
  },
  BackupRun: {
    spec: backupRunSpec,
    status: backupRunStatus,
    about: 'One backup: made by a schedule of a policy or by hand. What it wrote is described in its status for ever.',
    columns: [
      { name: 'Policy', type: 'string', jsonPath: '.spec.policyName', description: 'What it is a backup of.' },
      phase,
      { name: 'Size', type: 'string', jsonPath: '.status.size', description: 'Bytes in the store.' },
      duration,
      reason,
      age,
      progress,
      message,
    ],
  },
  BackupGrant: {
    spec: backupGrantSpec,
    status: backupGrantStatus,
    about:
      'Lets RestoreRequests of other namespaces read the backups of policies of this one. It grants reading only, and it ' +
      'holds as long as it is there: without it a request of another namespace is not told so much as whether a policy exists.',
    columns: [
      { name: 'Ready', type: 'string', jsonPath: ready('status'), description: 'True, False or Unknown.' },
      age,
      { name: 'Message', type: 'string', jsonPath: ready('message'), description: 'Who may read what.' },
    ],
  },
  RestoreRequest: {
    spec: restoreRequestSpec,
    status: restoreRequestStatus,
    about: 'One restore of one backup into one database.',
    columns: [
      { name: 'Run', type: 'string', jsonPath: '.status.source.run', description: 'The backup that is restored.' },
      { name: 'Database', type: 'string', jsonPath: '.spec.target.database', description: 'Where it is restored to.' },
      phase,
      duration,
      reason,
      age,
      progress,
      message,
    ],
  },
};

/** The kind in a sentence, and the schemas of its two halves. */
export function describeKind(kind: KindName): {
  about: string;
  spec: SchemaNode;
  status: SchemaNode;
  columns: Column[];
} {
  const { spec, status, about, columns } = parts[kind];
  return { about, columns, spec: structural(spec), status: structural(status) };
}

/** The CustomResourceDefinition of a kind, as a plain object. */
export function customResourceDefinition(kind: KindName): object {
  const { plural, singular, shortName } = kindNames[kind];
  const { about, columns, spec, status } = describeKind(kind);
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, listKind: `${kind}List`, plural, singular, shortNames: [shortName], categories: [category] },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: columns,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: about,
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                // Names become labels and parts of the names of tasks, which have at most 63 characters.
                metadata: { type: 'object', properties: { name: { type: 'string', maxLength: nameMaxLength[kind] } } },
                spec,
                status,
              },
            },
          },
        },
      ],
    },
  };
}

/** A schema in the form of the API server. Throws for a shape that it does not have. */
export function structural(schema: z.ZodType): SchemaNode {
  return convert(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }) as SchemaNode, []);
}

// What zod writes and a structural schema may have; anything else is a schema that we cannot say to the API server.
const kept = [
  'type',
  'description',
  'default',
  'enum',
  'format',
  'required',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
];
const dropped = ['additionalProperties', '$schema', 'listKey', 'properties', 'items', 'minimum', 'maximum'];

/** Throws for a union, a record or another shape that structural schemas do not have: flatten it and add a rule instead. */
function convert(node: SchemaNode, path: string[]): SchemaNode {
  const strange = Object.keys(node).find((key) => ![...kept, ...dropped, 'x-kubernetes-validations'].includes(key));
  if (typeof node.type !== 'string' || strange !== undefined) {
    throw new Error(`${path.join('.')}: no structural schema can say ${strange ?? 'a node without a type'}`);
  }
  const made: SchemaNode = { type: node.type };
  // A map: its values have a schema, its keys have none.
  const values = node['additionalProperties'];
  if (typeof values === 'object' && values !== null) {
    made['additionalProperties'] = convert(values as SchemaNode, [...path, '{}']);
  }
  for (const key of kept) if (node[key] !== undefined) made[key] = node[key];
  for (const bound of ['minimum', 'maximum']) {
    // zod bounds every whole number by what a double can hold; that says nothing.
    if (Number.isFinite(node[bound]) && Math.abs(node[bound] as number) !== Number.MAX_SAFE_INTEGER)
      made[bound] = node[bound];
  }
  if (node.type === 'integer') made['format'] = 'int64';
  if (node.items !== undefined) made.items = convert(node.items, [...path, '[]']);
  if (node.properties !== undefined) {
    made.properties = Object.fromEntries(
      Object.entries(node.properties).map(([name, child]) => [name, convert(child, [...path, name])]),
    );
  }
  // The API server checks a default against the rules before it fills in the defaults inside of it.
  if (made.type === 'object' && made.default !== undefined) made.default = defaultsOf(made);
  if (typeof node['listKey'] === 'string') {
    made['x-kubernetes-list-type'] = 'map';
    made['x-kubernetes-list-map-keys'] = [node['listKey']];
  }
  const rules = node['x-kubernetes-validations'];
  if (rules !== undefined && rules.length > 0) made['x-kubernetes-validations'] = rules;
  return made;
}

function defaultsOf({ properties = {} }: SchemaNode): object {
  const given = Object.entries(properties).filter(([, child]) => child.default !== undefined);
  return Object.fromEntries(given.map(([name, child]) => [name, child.default]));
}
