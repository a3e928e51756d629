// What charts/backstay accepts as values. Every object is closed: a misspelt value must not be ignored. What the operator
// can be told comes from its own schema, so that the two cannot differ.
import { z } from 'zod';
import { operatorConfig } from '../src/api/operator-config.ts';

type Schema = Record<string, unknown>;

const text: Schema = { type: 'string' };
const flag: Schema = { type: 'boolean' };
const port: Schema = { type: 'integer', minimum: 1, maximum: 65535 };
const texts: Schema = { type: 'object', additionalProperties: text };
const quantities: Schema = {
  type: 'object',
  additionalProperties: { type: ['string', 'number'] },
};
const label: Schema = { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', maxLength: 63 };

const object = (properties: Record<string, Schema>, required: string[] = []): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...(required.length > 0 && { required }),
});
const list = (items: Schema): Schema => ({ type: 'array', items });
// Parts of Kubernetes' own schema that are too large to be copied: the API server judges them.
const ofKubernetes: Schema = { type: 'object' };

const resources = object({ requests: quantities, limits: quantities });
const toleration = object({
  key: text,
  operator: { enum: ['Exists', 'Equal'] },
  value: text,
  effect: { enum: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] },
  tolerationSeconds: { type: 'integer' },
});
const spread = object(
  {
    maxSkew: { type: 'integer', minimum: 1 },
    minDomains: { type: 'integer', minimum: 1 },
    topologyKey: text,
    whenUnsatisfiable: { enum: ['DoNotSchedule', 'ScheduleAnyway'] },
    labelSelector: ofKubernetes,
    matchLabelKeys: list(text),
    nodeAffinityPolicy: { enum: ['Honor', 'Ignore'] },
    nodeTaintsPolicy: { enum: ['Honor', 'Ignore'] },
  },
  ['maxSkew', 'topologyKey', 'whenUnsatisfiable'],
);

/** values.schema.json as a plain object. */
export function valuesSchema(): Schema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart backstay',
    ...object({
      nameOverride: text,
      fullnameOverride: text,
      image: object(
        {
          repository: { type: 'string', minLength: 1 },
          tag: text,
          digest: { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
          pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] },
        },
        ['repository'],
      ),
      imagePullSecrets: list(object({ name: text }, ['name'])),
      replicas: { type: 'integer', minimum: 0, maximum: 9 },
      watchNamespaces: { ...list(label), uniqueItems: true },
      config: configSchema(),
      crds: object({ install: flag, keep: flag }),
      serviceAccount: object({ create: flag, name: text, annotations: texts }),
      rbac: object({ create: flag, userRoles: flag, aggregateToView: flag, aggregateToEdit: flag }),
      resources,
      nodeSelector: texts,
      tolerations: list(toleration),
      affinity: object({ nodeAffinity: ofKubernetes, podAffinity: ofKubernetes, podAntiAffinity: ofKubernetes }),
      topologySpreadConstraints: list(spread),
      priorityClassName: text,
      podAnnotations: texts,
      podLabels: texts,
      commonLabels: texts,
      terminationGracePeriodSeconds: { type: 'integer', minimum: 0 },
      podDisruptionBudget: object({ enabled: flag }),
      networkPolicy: object({
        enabled: flag,
        apiServerPorts: { ...list(port), minItems: 1 },
        metricsFrom: list(
          object({
            podSelector: ofKubernetes,
            namespaceSelector: ofKubernetes,
            ipBlock: object({ cidr: text, except: list(text) }, ['cidr']),
          }),
        ),
      }),
      metrics: object({
        service: flag,
        serviceMonitor: object({
          enabled: flag,
          interval: { type: 'string', pattern: '^[0-9]+(s|m)$' },
          labels: texts,
        }),
        prometheusRule: object({ enabled: flag, labels: texts, runbookUrl: { type: 'string', pattern: '^https?://' } }),
        dashboard: object({ enabled: flag, labels: texts }),
      }),
      tests: object({ enabled: flag, image: { type: 'string', minLength: 1 }, storageClassName: text, size: text }),
      // Helm itself puts it there for a chart that is part of another one.
      global: { type: 'object' },
    }),
  };
}

// The chart knows them better than its user; given here they would be ignored.
const ofTheChart = ['image', 'namespaces', 'leaderElection.enabled', 'leaderElection.namespace', 'leaderElection.name'];

function configSchema(): Schema {
  return plain(z.toJSONSchema(operatorConfig, { target: 'draft-7', io: 'input' }) as Schema, '');
}

// A port that nobody knows before the start fits into no pod.
const narrowed: Readonly<Record<string, Schema>> = { 'http.port': port };

const cel = /^self\.matches\('([^']+)'\)$/;

/** Without the rules for an API server; a form that such a rule asks for becomes a pattern. */
function plain(node: Schema, path: string): Schema {
  const rules = (node['x-kubernetes-validations'] ?? []) as { rule: string }[];
  const pattern = rules.map(({ rule }) => cel.exec(rule)?.[1]).find((found) => found !== undefined);
  const kept = Object.entries(node).filter(([key]) => !key.startsWith('x-') && !['$schema', 'listKey'].includes(key));
  const made: Schema = {
    ...Object.fromEntries(kept),
    ...(pattern === undefined ? {} : { pattern }),
    ...narrowed[path],
  };
  if (node['items'] !== undefined) made['items'] = plain(node['items'] as Schema, path);
  if (node['properties'] === undefined) return made;
  const within = Object.entries(node['properties'] as Record<string, Schema>)
    .map(([name, child]) => [name, path === '' ? name : `${path}.${name}`, child] as const)
    .filter(([, where]) => !ofTheChart.includes(where))
    .map(([name, where, child]) => [name, plain(child, where)]);
  return { ...made, properties: Object.fromEntries(within), additionalProperties: false };
}
