import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { parseOperatorConfig } from '../../../src/api/operator-config.ts';
import type { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import { version } from '../../../src/version.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { goModule } from '../../harness/cluster/go-programs.ts';
import { kubectl } from '../../harness/cluster/kubectl.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import {
  chart,
  helm,
  installRelease,
  type Release,
  renderChart,
  rollBackRelease,
  uninstallRelease,
} from '../../harness/helm.ts';
import type { Manifest } from '../../harness/kubernetes-shop.ts';
import { clientOf, objectsOf } from './kubernetes-client.ts';
import { sampleDraft } from './samples.ts';

// The first run on a machine builds kube-apiserver and helm from source.
const coldMs = 15 * 60_000;

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
  resourceNames?: string[];
}

/** Values that turn on what is off, set what can be set, and choose the other branch of every template. */
const everything = {
  image: { repository: 'registry.example.com:5000/db/backstay', digest: `sha256:${'5f'.repeat(32)}` },
  imagePullSecrets: [{ name: 'pull' }],
  replicas: 3,
  config: {
    logLevel: 'debug',
    http: { port: 9090 },
    leaderElection: { leaseDuration: '30s', renewDeadline: '20s' },
    jobs: { allowedImages: ['postgres:*'], agentResources: { limits: { memory: '1Gi' } } },
    limits: { concurrentRuns: 1_000 },
  },
  serviceAccount: { name: 'keeper', annotations: { 'example.com/role': 'x' } },
  rbac: { aggregateToEdit: true },
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'system', effect: 'NoSchedule' }],
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] }] }],
      },
    },
  },
  topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
  priorityClassName: 'system-cluster-critical',
  podAnnotations: { a: 'b' },
  podLabels: { c: 'd' },
  commonLabels: { team: 'data' },
  networkPolicy: { metricsFrom: [{ namespaceSelector: { matchLabels: { monitoring: 'yes' } } }] },
  metrics: {
    serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
    prometheusRule: { enabled: true, runbookUrl: 'https://wiki.example.com/backstay/' },
    dashboard: { enabled: true },
  },
  tests: { storageClassName: 'fast' },
};
const inNamespaces = { watchNamespaces: ['team-a', 'team-b'] };
const bare = {
  replicas: 1,
  crds: { install: false },
  serviceAccount: { create: false },
  rbac: { create: false, userRoles: false },
  resources: {},
  networkPolicy: { enabled: false },
  podDisruptionBudget: { enabled: false },
  metrics: { service: false },
  tests: { enabled: false },
};
const ways: [string, object][] = [
  ['its defaults', {}],
  ['everything', everything],
  ['two namespaces', inNamespaces],
  ['next to nothing', bare],
];

const find = (objects: readonly Manifest[], kind: string, name = 'backstay'): Manifest =>
  objects.find((one) => one.kind === kind && one.metadata.name === name)!;
const rulesOf = (object: Manifest): Rule[] => object['rules'] as Rule[];

beforeAll(async () => {
  await helm(['version'], { tell: tellOnStderr });
}, coldMs);

describe('the chart', () => {
  it.each(ways)('is as helm lint wants it, with %s', async (_, values) => {
    await helm(['lint', '--strict', chart, '--values', '-'], { values });
  });

  it('is of the version of the program', () => {
    expect(parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8'))).toMatchObject({ version, appVersion: version });
  });

  it.each([
    [{ replica: 1 }, "additional properties 'replica' not allowed"],
    [{ config: { timings: { rechek: '5s' } } }, "at '/config/timings': additional properties 'rechek' not allowed"],
    [
      { config: { timings: { recheck: '5 seconds' } } },
      "at '/config/timings/recheck': '5 seconds' does not match pattern",
    ],
    [{ config: { namespaces: ['a'] } }, "at '/config': additional properties 'namespaces' not allowed"],
    [{ metrics: { serviceMonitor: { enable: true } } }, "at '/metrics/serviceMonitor': additional properties 'enable'"],
    [{ image: { digest: 'latest' } }, "at '/image/digest'"],
    [
      { metrics: { service: false, serviceMonitor: { enabled: true } } },
      'metrics.serviceMonitor.enabled needs metrics.service',
    ],
    [{ watchNamespaces: 'team-a' }, "at '/watchNamespaces': got string, want array"],
    [{ resources: { limit: { memory: '1Gi' } } }, "at '/resources': additional properties 'limit' not allowed"],
  ])('refuses %j and says where', async (values, said) => {
    await expect(renderChart(values)).rejects.toThrow(said);
  });

  it('knows every value: no object in the schema is open but those of Kubernetes', () => {
    const open: string[] = [];
    const look = (node: Record<string, unknown>, path: string): void => {
      const { type, properties, items, additionalProperties } = node as {
        type?: string;
        properties?: Record<string, Record<string, unknown>>;
        items?: Record<string, unknown>;
        additionalProperties?: unknown;
      };
      if (type === 'object' && additionalProperties === undefined) open.push(path);
      for (const [name, child] of Object.entries(properties ?? {})) look(child, `${path}.${name}`);
      if (items !== undefined) look(items, `${path}[]`);
    };
    look(JSON.parse(readFileSync(join(chart, 'values.schema.json'), 'utf8')), '');
    expect(open).toEqual([
      '.affinity.nodeAffinity',
      '.affinity.podAffinity',
      '.affinity.podAntiAffinity',
      '.topologySpreadConstraints[].labelSelector',
      '.networkPolicy.metricsFrom[].podSelector',
      '.networkPolicy.metricsFrom[].namespaceSelector',
      '.global',
    ]);
  });

  it('has in values.yaml every value of the schema, and no other', () => {
    const values = parse(readFileSync(join(chart, 'values.yaml'), 'utf8'));
    const { properties } = JSON.parse(readFileSync(join(chart, 'values.schema.json'), 'utf8'));
    const { global: _ofHelm, ...own } = properties as Record<string, unknown>;
    expect(Object.keys(values).sort()).toEqual(Object.keys(own).sort());
    for (const [name, { properties: within }] of Object.entries(own as Record<string, { properties?: object }>)) {
      if (within === undefined || ['config', 'affinity'].includes(name)) continue;
      expect([name, Object.keys(values[name]).sort()]).toEqual([name, Object.keys(within).sort()]);
    }
  });

  it('tells the operator what its values say, in a form that the operator reads', async () => {
    const configOf = async (values: object) => {
      const { data } = find(await renderChart(values, { namespace: 'sys' }), 'ConfigMap') as unknown as {
        data: Record<string, string>;
      };
      return parseOperatorConfig(data['config.yaml']!, 'config.yaml');
    };
    expect(await configOf({})).toMatchObject({
      image: `backstay:${version}`,
      namespaces: [],
      http: { port: 8080 },
      leaderElection: { enabled: true, namespace: 'sys', name: 'backstay', leaseDuration: '15s' },
    });
    expect(await configOf({ ...everything, ...inNamespaces })).toMatchObject({
      image: `registry.example.com:5000/db/backstay@sha256:${'5f'.repeat(32)}`,
      logLevel: 'debug',
      namespaces: ['team-a', 'team-b'],
      http: { port: 9090 },
      leaderElection: { enabled: true, leaseDuration: '30s', renewDeadline: '20s' },
      jobs: { allowedImages: ['postgres:*'], agentResources: { limits: { memory: '1Gi' } } },
      limits: { concurrentRuns: 1_000 },
    });
  });

  it('starts the pods anew when a setting changes, and only then', async () => {
    const checksum = async (values: object) =>
      (find(await renderChart(values), 'Deployment') as unknown as { spec: { template: Manifest } }).spec.template
        .metadata as unknown as { annotations: Record<string, string> };
    const before = await checksum({});
    expect(await checksum({ commonLabels: { a: 'b' } })).toMatchObject({ annotations: before.annotations });
    expect((await checksum({ config: { logLevel: 'debug' } })).annotations).not.toEqual(before.annotations);
  });

  it('gives no right on Secrets, on all of anything, or on itself', async () => {
    for (const [, values] of ways) {
      const roles = (await renderChart(values)).filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole');
      for (const { apiGroups, resources, verbs } of roles.flatMap(rulesOf)) {
        expect([...apiGroups, ...resources, ...verbs]).not.toContain('*');
        expect(resources).not.toContain('secrets');
        expect(apiGroups).not.toContain('rbac.authorization.k8s.io');
      }
    }
  });

  it('kept to namespaces makes nothing that the whole cluster has, but the kinds', async () => {
    const objects = await renderChart(inNamespaces);
    expect(new Set(objects.filter(({ metadata }) => metadata.namespace === undefined).map(({ kind }) => kind))).toEqual(
      new Set(['CustomResourceDefinition']),
    );
    const everywhere = await renderChart({});
    for (const namespace of inNamespaces.watchNamespaces) {
      const own = objects.filter(({ metadata }) => metadata.namespace === namespace);
      const narrow = rulesOf(find(own, 'Role'));
      const wide = rulesOf(find(everywhere, 'ClusterRole'));
      expect(wide.filter(({ resources }) => resources[0] !== 'namespaces')).toEqual(narrow);
      expect(find(own, 'RoleBinding')).toMatchObject({ roleRef: { kind: 'Role', name: 'backstay' } });
    }
  });

  it('tests itself with the pull secrets and on the nodes of the operator', async () => {
    const { imagePullSecrets, nodeSelector, tolerations } = everything;
    const placement = { imagePullSecrets, nodeSelector, tolerations };
    const partsOf = async (values: object) => {
      const objects = await renderChart(values);
      const { data } = find(objects, 'ConfigMap', 'backstay-test') as unknown as { data: Record<string, string> };
      return { pod: find(objects, 'Pod', 'backstay-test')['spec'], policy: parse(data['policy.yaml']!).spec };
    };
    const placed = await partsOf(everything);
    expect(placed).toMatchObject({ pod: placement, policy: { stores: [{ name: 'claim' }] } });
    expect(placed.policy.jobs).toEqual(placement);
    expect((await partsOf({})).policy).not.toHaveProperty('jobs');
  });

  it('has alerts and a dashboard that say what the files say', async () => {
    const objects = await renderChart(everything);
    const rules = find(objects, 'PrometheusRule')['spec'];
    const text = readFileSync(join(chart, 'files/rules.yaml'), 'utf8');
    expect(rules).toEqual(
      parse(text.replaceAll('https://backstay.dev/docs/runbooks', 'https://wiki.example.com/backstay')),
    );
    const { data } = find(objects, 'ConfigMap', 'backstay-dashboard') as unknown as { data: Record<string, string> };
    expect(JSON.parse(data['backstay.json']!)).toEqual(
      JSON.parse(readFileSync(join(chart, 'files/dashboard.json'), 'utf8')),
    );
  });
});

describe('the chart at an API server', () => {
  let server: ApiServer;
  let client: ApiClient;
  let release: Release;
  const place = mkdtempSync(join(tmpdir(), 'backstay-chart-'));
  const ask = (args: string[], input = '') =>
    kubectl(args, { cluster: { way: 'named by the user', kubeconfigPath: server.kubeconfigPath }, input });

  beforeAll(async () => {
    server = await apiServer({ tell: tellOnStderr });
    client = clientOf(server.kubeconfigPath);
    release = { name: 'backstay', namespace: 'backstay-system', cluster: { kubeconfigPath: server.kubeconfigPath } };
    for (const namespace of ['backstay-system', 'team-a', 'team-b']) await ask(['create', 'namespace', namespace]);
    const monitoring = join(await goModule(tellOnStderr, 'prometheus-operator'), 'example', 'prometheus-operator-crd');
    for (const plural of ['servicemonitors', 'prometheusrules'])
      await ask(['apply', '--server-side', '-f', join(monitoring, `monitoring.coreos.com_${plural}.yaml`)]);
  }, coldMs);
  afterAll(async () => {
    client?.close();
    await server?.stop();
    rmSync(place, { recursive: true, force: true });
  });

  it.each(ways)('passes the strict dry run, every object of it, with %s', async (_, values) => {
    const items = await renderChart(values);
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    const flags = ['--server-side', '--dry-run=server', '--validate=strict', '-o', 'name', '-f', '-'];
    expect((await ask(['apply', ...flags], input)).trim().split('\n')).toHaveLength(items.length);
  });

  it('installs the kinds as they are in crds/, and asks to keep them', async () => {
    await installRelease(release, { wait: false });
    for (const file of readdirSync('crds')) {
      const wanted = parse(readFileSync(`crds/${file}`, 'utf8')) as Manifest;
      const rendered = find(await renderChart({}), 'CustomResourceDefinition', wanted.metadata.name);
      expect(rendered).toMatchObject({ metadata: { annotations: { 'helm.sh/resource-policy': 'keep' } } });
      expect({ ...rendered, metadata: { name: wanted.metadata.name } }).toEqual(wanted);
    }
    await ask([
      'wait',
      '--for=condition=Established',
      '--timeout=60s',
      'crd',
      '-l',
      'app.kubernetes.io/part-of=backstay',
    ]);
  });

  it('brings a change of a kind by an upgrade and takes it back by a rollback; objects stay through both', async () => {
    await objectsOf(client).create(sampleDraft('BackupPolicy', 'team-a', 'shop'));
    const newer = join(place, 'newer');
    cpSync(chart, newer, { recursive: true });
    const file = join(newer, 'files/crds/backuppolicies.yaml');
    const crd = parse(readFileSync(file, 'utf8'));
    crd.spec.versions[0].schema.openAPIV3Schema.properties.status.properties.newField = { type: 'string' };
    writeFileSync(file, stringify(crd));

    const field = ['get', 'crd', 'backuppolicies.backstay.dev', '-o'];
    const path = 'jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties.status.properties.newField.type}';
    await installRelease(release, { from: newer, wait: false });
    expect(await ask([...field, path])).toBe('string');
    await rollBackRelease(release, 0, { wait: false });
    expect(await ask([...field, path])).toBe('');
    expect(await ask(['get', 'bp', '-n', 'team-a', '-o', 'name'])).toBe('backuppolicy.backstay.dev/shop\n');
  });

  it('leaves kinds and objects when it is uninstalled, nothing else, and takes them over when it comes back', async () => {
    await uninstallRelease(release, { wait: false });
    expect(await ask(['get', 'bp', '-n', 'team-a', '-o', 'name'])).toBe('backuppolicy.backstay.dev/shop\n');
    const ofRelease = ['-A', '-l', 'app.kubernetes.io/part-of=backstay', '-o', 'name'];
    const kinds =
      'deployments,services,configmaps,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,pdb,networkpolicies';
    expect(await ask(['get', kinds, ...ofRelease])).toBe('');
    await installRelease({ ...release, name: 'another', namespace: 'team-b' }, { wait: false });
    expect(await ask(['get', 'bp', '-n', 'team-a', '-o', 'name'])).toBe('backuppolicy.backstay.dev/shop\n');
  });
});
