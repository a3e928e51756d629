import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { resultSchema, statusSchema } from '../../../src/cli/contract.ts';
import type { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import type { KubernetesObjects } from '../../../src/cluster/kubernetes/objects.ts';
import type { Kind, Resource } from '../../../src/cluster/resource.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { kubernetesPrograms } from '../../harness/cluster/go-programs.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { clientOf, freshNamespace, installKinds, objectsOf } from '../cluster/kubernetes-client.ts';
import { type Answer, binDirectory, type Running, run, start } from './command.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;
// Every command is a process of its own, and a machine may be busy elsewhere.
const busyMs = 180_000;
jest.setTimeout(busyMs);

let server: ApiServer;
let client: ApiClient;
let objects: KubernetesObjects;
let namespace: string;
let directory: string;
let kubectl: string;
/** What is said before the kinds are there. */
let withoutKinds: Answer[];
/** Accepts connections and says nothing. */
let silent: Server;

const file = (name: string): string => join(directory, name);
const backstay = (args: string[], input = ''): Promise<Answer> =>
  run('backstay', args, { KUBECONFIG: file('kubeconfig') }, input);
const begin = (args: string[]): Running => start('backstay', args, { KUBECONFIG: file('kubeconfig') });

const policy = (name: string, more = ''): string => `apiVersion: backstay.dev/v1alpha1
kind: BackupPolicy
metadata: { name: ${name} }
spec:
  engine: PostgreSQL
  target: { service: db, credentials: { backup: { secretName: shop-backup } } }
  toolImages: { dump: "postgres:18" }
  stores: [{ name: near, filesystem: { claimName: backups } }]
  schedules: [{ name: nightly, cron: "@daily", method: Dump, dump: { databases: [shop] } }]
${more}`;

/** A kubeconfig with a context for each way to be somebody. */
function writeKubeconfig(): void {
  const [cluster] = parse(readFileSync(server.kubeconfigPath, 'utf8')).clusters;
  const { port } = silent.address() as { port: number };
  const as = (user: string): object => ({ token: server.token, as: user });
  const context = (name: string, user: string, of = 'near'): object => ({
    name,
    context: { cluster: of, user, namespace },
  });
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'admin',
    clusters: [
      { name: 'near', cluster: cluster.cluster },
      { name: 'closed', cluster: { ...cluster.cluster, server: 'https://127.0.0.1:1' } },
      { name: 'silent', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } },
    ],
    users: [
      { name: 'admin', user: { token: server.token } },
      { name: 'viewer', user: as('viewer') },
      { name: 'nobody', user: as('nobody') },
      { name: 'stranger', user: { token: 'no-token-of-this-server' } },
    ],
    contexts: [
      context('admin', 'admin'),
      context('viewer', 'viewer'),
      context('nobody', 'nobody'),
      context('stranger', 'stranger'),
      context('closed', 'admin', 'closed'),
      context('silent', 'admin', 'silent'),
    ],
  };
  writeFileSync(file('kubeconfig'), stringify(config), { mode: 0o600 });
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'backstay-cli-'));
  silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  server = await apiServer({ tell: tellOnStderr });
  kubectl = join(await kubernetesPrograms(tellOnStderr, ['kubectl']), 'kubectl');
  client = clientOf(server.kubeconfigPath);
  objects = objectsOf(client);
  namespace = await freshNamespace(client);
  writeKubeconfig();
  withoutKinds = [await backstay(['status']), await backstay(['apply', '-f', '-'], policy('early'))];
  await installKinds(client);
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const rules = [{ apiGroups: ['backstay.dev'], resources: ['*'], verbs: ['get', 'list'] }];
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'viewer' };
  const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'viewer' }];
  for (const [plural, body] of [
    ['roles', { rules }],
    ['rolebindings', { roleRef, subjects }],
  ] as const) {
    const path = `${rbac}/namespaces/${namespace}/${plural}`;
    await client.json({ method: 'POST', path, body: { metadata: { name: 'viewer' }, ...body } });
  }
}, coldMs);

afterAll(async () => {
  client?.close();
  silent?.close();
  await server?.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Writes a status as the operator would. */
async function setStatus(kind: Kind, name: string, status: object): Promise<void> {
  const object = (await objects.get(kind, { namespace, name })) as Resource;
  await objects.replaceStatus(object, status);
}

const createdName = async (running: Running, kind: string): Promise<string> => {
  let text = '';
  running.child.stdout?.on('data', (chunk) => {
    text += chunk;
  });
  running.child.stderr?.on('data', (chunk) => {
    text += chunk;
  });
  return eventually(() => {
    const name = new RegExp(`${kind} (\\S+) created`).exec(text)?.[1];
    if (name === undefined) throw new Error(`nothing was created: ${text}`);
    return name;
  }, busyMs);
};

const failure = { reason: 'StoreFull', message: 'no space left in store near', hint: 'Add space.' };

describe('apply, get and delete in a cluster', () => {
  it('apply creates in the namespace of the context, does nothing the second time, and changes the third', async () => {
    const said: string[] = [];
    for (const more of ['', '', '  suspend: true\n']) {
      const { code, stdout, stderr } = await backstay(['apply', '-f', '-'], policy('applied', more));
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      said.push(stdout);
    }
    expect(said).toEqual(['created', 'unchanged', 'configured'].map((word) => `BackupPolicy applied ${word}\n`));
    const found = await objects.get('BackupPolicy', { namespace, name: 'applied' });
    expect(found?.spec).toMatchObject({ suspend: true });
    const { stdout } = await backstay(['get', 'policies', '-o', 'name']);
    expect(stdout).toContain('applied\n');
    expect(await backstay(['delete', 'policy', 'applied'])).toMatchObject({ code: 0 });
    expect(await objects.get('BackupPolicy', { namespace, name: 'applied' })).toBeUndefined();
  });

  it('a bad object among good ones: the field that was meant is named, and nothing is written', async () => {
    const text = `${policy('good')}---\n${policy('bad').replace('toolImages', 'toolImage')}`;
    const { code, stdout, stderr } = await backstay(['apply', '-f', '-'], text);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /SpecInvalid: spec\.toolImage is no field .*BackupPolicy bad\)\n {2}next: Did you mean toolImages\?/,
    );
    expect(await objects.get('BackupPolicy', { namespace, name: 'good' })).toBeUndefined();
  });

  it('a field that somebody else manages is not taken over in silence', async () => {
    const path = file('managed.yaml');
    writeFileSync(path, policy('managed'));
    const args = ['--kubeconfig', file('kubeconfig'), 'apply', '--server-side', '--field-manager=gitops', '-f', path];
    expect(await run(kubectl, args)).toMatchObject({ code: 0 });
    const { code, stderr } = await backstay(
      ['apply', '-f', '-'],
      policy('managed').replace('postgres:18', 'postgres:17'),
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/error: Conflict: .*gitops.*\n {2}next: .*--force-conflicts/s);
  });

  it.each([
    ['a name that is none', ['get', 'run', 'no/../such run'], 1, /there is no BackupRun .*\/no\/\.\.\/such run/],
    ['a namespace that is none', ['get', 'runs', '-n', 'No Such'], 0, /^$/],
    ['a namespace that is not there', ['apply', '-f', '-', '-n', 'nowhere'], 1, /namespaces "nowhere" not found/],
  ])('%s: said, and nothing else is touched', async (_, args, code, said) => {
    const answer = await backstay(args, policy('anywhere'));
    expect({ code: answer.code }).toEqual({ code });
    expect(answer.stderr).toMatch(said);
  });

  it('a name that is too long and one with capitals are refused before anything is written', async () => {
    const long = await backstay(['apply', '-f', '-'], policy('p'.repeat(64)));
    expect(long).toMatchObject({ code: 1, stderr: expect.stringContaining('more than 63 characters') });
    const odd = await backstay(['apply', '-f', '-'], policy("'Shop_1'"));
    expect(odd).toMatchObject({ code: 1, stderr: expect.stringMatching(/SpecInvalid: .*metadata\.name/) });
  });
});

describe('a backup by hand', () => {
  beforeAll(async () => {
    expect(await backstay(['apply', '-f', '-'], policy('shop'))).toMatchObject({ code: 0 });
  });

  it('prints the name of its run and how to follow it; with -o name the name alone', async () => {
    const { stdout } = await backstay(['backup', 'shop']);
    expect(stdout).toMatch(/^BackupRun shop-\d{12}-[a-z0-9]{4} created\n {2}next: .*: backstay get run shop-/);
    const name = (await backstay(['backup', 'shop', '-o', 'name'])).stdout.trim();
    const run = await objects.get('BackupRun', { namespace, name });
    expect(run?.spec).toMatchObject({ policyName: 'shop', method: 'Dump', dump: { databases: ['shop'] } });
  });

  it('--wait exits with 0 when it succeeded, and the JSON is the one thing on the standard output', async () => {
    const running = begin(['backup', 'shop', '--wait', '-o', 'json']);
    const name = await createdName(running, 'BackupRun');
    const progress = { at: '2026-01-01T00:00:00Z', step: 'dump', plainBytes: 1, storedBytes: 1, bytesPerSecond: 1 };
    await setStatus('BackupRun', name, { phase: 'Running', progress });
    await running.until(/Running/);
    await setStatus('BackupRun', name, { phase: 'Succeeded', size: '3 MiB', duration: '4s' });
    const { code, stdout } = await running.answer;
    expect(code).toBe(0);
    expect(resultSchema.parse(JSON.parse(stdout))).toMatchObject({
      outcome: 'Succeeded',
      exitCode: 0,
      objects: [{ kind: 'BackupRun', namespace, name, change: 'created', phase: 'Succeeded', size: '3 MiB' }],
    });
  });

  it('--wait exits with 1 when it failed, and says why and what to do', async () => {
    const running = begin(['backup', 'shop', '--wait']);
    await setStatus('BackupRun', await createdName(running, 'BackupRun'), { phase: 'Failed', failure });
    const { code, stdout } = await running.answer;
    expect(code).toBe(1);
    expect(stdout).toMatch(/Failed, StoreFull: no space left in store near\n {2}next: Add space\./);
  });

  it('--timeout ends the wait with 7, and Ctrl-C with 130; the run is still there and the person is told', async () => {
    const late = await backstay(['backup', 'shop', '--wait', '--timeout', '1s']);
    expect(late).toMatchObject({ code: 7, stdout: expect.stringContaining('the wait is over, the work goes on') });
    const running = begin(['backup', 'shop', '--wait']);
    const name = await createdName(running, 'BackupRun');
    await running.until(/Pending/);
    running.child.kill('SIGINT');
    const { code, stdout } = await running.answer;
    expect(code).toBe(130);
    expect(stdout).toMatch(/the wait was interrupted, the work goes on\n {2}next: .*backstay get run shop-/);
    expect(await objects.get('BackupRun', { namespace, name })).toBeDefined();
  });

  it('an API server that says nothing while somebody waits is asked again', async () => {
    const running = begin(['backup', 'shop', '--wait']);
    const name = await createdName(running, 'BackupRun');
    await running.until(/Pending/);
    server.pause();
    try {
      await running.until(/no answer within 10 s; it is asked again/);
    } finally {
      server.resume();
    }
    await setStatus('BackupRun', name, { phase: 'Succeeded' });
    expect(await running.answer).toMatchObject({ code: 0 });
  });

  it.each([
    ['a policy that is not there', ['backup', 'shpo'], /there is no BackupPolicy shpo/],
    ['a restore from a policy without a backup', ['restore', '--policy', 'shop'], /has no backup yet/],
    ['a restore of a run that is not there', ['restore', '--run', 'none'], /there is no BackupRun none/],
  ])('%s is refused with 6, and nothing is begun', async (_, args, said) => {
    const more = args[0] === 'restore' ? ['--database', 'x', '--service', 'db', '--admin-secret', 's'] : [];
    const { code, stderr } = await backstay([...args, ...more]);
    expect(code).toBe(6);
    expect(stderr).toMatch(said);
    expect(stderr).toMatch(/\n {2}next: .*backstay (get|backup) /);
    expect(await objects.list('RestoreRequest', namespace)).toEqual([]);
  });
});

describe('a restore', () => {
  const target = [
    '--database',
    'the shop',
    '--service',
    'db',
    '--admin-secret',
    'admin',
    '--identity-secret',
    'escrow',
  ];
  let source: string;
  beforeAll(async () => {
    source = (await backstay(['backup', 'shop', '-o', 'name'])).stdout.trim();
    await setStatus('BackupRun', source, { phase: 'Succeeded' });
  });

  it('--dry-run prints what kubectl applies, and creates nothing', async () => {
    const { code, stdout } = await backstay(['restore', '--run', source, '--name', 'dry', ...target, '--dry-run']);
    expect(code).toBe(0);
    const args = ['--kubeconfig', file('kubeconfig'), 'apply', '--server-side', '--dry-run=server', '-f', '-'];
    expect(await run(kubectl, args, {}, stdout)).toMatchObject({ code: 0 });
    expect(await objects.get('RestoreRequest', { namespace, name: 'dry' })).toBeUndefined();
  });

  it('from another namespace is refused until an image is named, and then takes nothing else from there either', async () => {
    const args = ['restore', '--policy', 'any', '--from-namespace', 'vault', '--name', 'far', ...target, '--dry-run'];
    const bare = await backstay(args);
    expect({ ...bare, isRefused: bare.code !== 0 }).toMatchObject({
      isRefused: true,
      stderr: expect.stringMatching(/spec\.toolImages\.restore is missing.*next: Name an image/s),
    });
    const { code, stdout } = await backstay([...args, '--image', 'postgres:18', '--store-secret', 'key']);
    expect(code).toBe(0);
    expect(parse(stdout).spec).toMatchObject({
      source: { namespace: 'vault', storeCredentials: { secretName: 'key' }, identity: { secretName: 'escrow' } },
      toolImages: { restore: 'postgres:18' },
    });
    const kubectlArgs = ['--kubeconfig', file('kubeconfig'), 'apply', '--server-side', '--dry-run=server', '-f', '-'];
    expect(await run(kubectl, kubectlArgs, {}, stdout)).toMatchObject({ code: 0 });
  });

  it('--wait exits with the outcome; the same name again is refused', async () => {
    const args = ['restore', '--run', source, '--name', 'back', ...target];
    const running = begin([...args, '--wait']);
    await setStatus('RestoreRequest', await createdName(running, 'RestoreRequest'), { phase: 'Succeeded' });
    expect(await running.answer).toMatchObject({ code: 0 });
    expect((await objects.get('RestoreRequest', { namespace, name: 'back' }))?.spec).toMatchObject({
      source: { runName: source, identity: { secretName: 'escrow' } },
      target: { service: 'db', database: 'the shop', credentials: { admin: { secretName: 'admin' } } },
    });
    expect(await backstay(args)).toMatchObject({
      code: 6,
      stderr: expect.stringMatching(/already.*backstay delete request back/s),
    });
  });
});

describe('kubectl backstay', () => {
  const env = (): Record<string, string> => ({
    KUBECONFIG: file('kubeconfig'),
    PATH: `${binDirectory}:${process.env['PATH']}`,
  });

  it('is the same program, and tells commands that can be typed', async () => {
    const { code, stdout } = await run(kubectl, ['backstay', 'status', '-n', namespace], env());
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Protected: no, .*\n\nPOLICY +VERDICT/);
    const missing = await run(kubectl, ['backstay', 'backup', 'shpo', '-n', namespace], env());
    expect(missing).toMatchObject({ code: 6, stderr: expect.stringContaining('kubectl backstay get policies -A') });
  });

  it('kubectl completes commands, options and the names of what is there', async () => {
    const ask = async (...words: string[]): Promise<string[]> =>
      (await run(kubectl, ['__complete', 'backstay', ...words], env())).stdout.split('\n');
    expect(await ask('bac')).toEqual([expect.stringMatching(/^backup\t/), ':4', '']);
    // Names that come too late for a person at the keys are left out.
    await eventually(
      async () => expect(await ask('backup', '-n', namespace, 'sh')).toEqual(['shop', ':4', '']),
      busyMs / 2,
    );
    expect(await ask('backup', 'shop', '--time')).toEqual([expect.stringMatching(/^--timeout\t/), ':4', '']);
  });
});

describe('a cluster that says no', () => {
  it.each([
    ['get', ['policies'], 'list', 'backuppolicies'],
    ['backup', ['shop'], 'get', 'backuppolicies'],
  ])('%s without the right: exit code 4 with verb, resource and namespace', async (verb, args, right, resource) => {
    const { code, stderr } = await backstay([verb, ...args, '--context', 'nobody']);
    expect(code).toBe(4);
    expect(stderr).toMatch(/^error: NotAllowed: /);
    expect(stderr).toMatch(new RegExp(`cannot ${right} resource "${resource}".* in the namespace "${namespace}"`));
    expect(stderr).toContain(`kubectl auth can-i ${right} ${resource}.backstay.dev -n ${namespace}`);
  });

  it('who may look and not begin a backup reads which right is missing, and nothing is begun', async () => {
    const before = await objects.list('BackupRun', namespace);
    const { code, stderr, stdout } = await backstay(['backup', 'shop', '--context', 'viewer', '-o', 'json']);
    expect({ code, result: resultSchema.parse(JSON.parse(stdout)) }).toMatchObject({
      code: 4,
      result: { outcome: 'Error', exitCode: 4, error: { reason: 'NotAllowed' } },
    });
    expect(stderr).toContain('cannot create resource "backupruns"');
    expect(await objects.list('BackupRun', namespace)).toHaveLength(before.length);
  });

  it('a token that is none: exit code 4, and not "forbidden"', async () => {
    const { code, stderr } = await backstay(['status', '--context', 'stranger']);
    expect(code).toBe(4);
    expect(stderr).toMatch(/does not know who asks.*\n {2}next: Log in again/);
  });

  it('a context that is none is a wrong command line, and the ones there are, are named', async () => {
    const { code, stderr } = await backstay(['status', '--context', 'admn']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/there is no context "admn".*\n {2}next: Name one of: admin, viewer, /);
  });

  it.each([
    ['closed', /cannot be reached/],
    ['silent', /no answer within 10 s/],
  ])('an API server that is %s is said in bounded time', async (context, said) => {
    const { code, stderr } = await backstay(['get', 'runs', '--context', context]);
    expect(code).toBe(1);
    expect(stderr).toMatch(said);
    expect(stderr).toContain('\n  next: Check the context, the network and the server');
  });

  it('a cluster without the kinds: the command that brings them', () => {
    for (const { code, stderr } of withoutKinds) {
      expect(code).toBe(1);
      expect(stderr).toMatch(/^error: KindsMissing: .*\n {2}next: .*kubectl apply --server-side -f crds\//);
    }
  });
});

describe('status and report', () => {
  it('status -o json fits its schema, in all namespaces too', async () => {
    const { code, stdout } = await backstay(['status', '-A', '-o', 'json']);
    expect(code).toBe(0);
    const answer = statusSchema.parse(JSON.parse(stdout));
    expect(answer.policies.map(({ namespace: of, name }) => `${of}/${name}`)).toContain(`${namespace}/shop`);
  });

  it('a report holds objects, events and rights, and no secret that somebody wrote into them', async () => {
    const run = (await objects.list('BackupRun', namespace))[0] as Resource;
    const message = 'it said password=hunter2hunter2 and AGE-SECRET-KEY-1QQQQQQ';
    await objects.recordEvent(run, { type: 'Warning', reason: 'ToolFailed', message });
    const { code } = await backstay(['report', '--output', file('report.yaml')]);
    expect(code).toBe(0);
    expect(statSync(file('report.yaml')).mode & 0o777).toBe(0o600);
    const text = readFileSync(file('report.yaml'), 'utf8');
    const report = parse(text);
    expect(report).toMatchObject({
      kind: 'Report',
      mode: 'kubernetes',
      namespace,
      server: { gitVersion: expect.any(String) },
    });
    expect(report.BackupRun.length).toBeGreaterThan(0);
    expect(report.rights).toContainEqual({
      group: 'backstay.dev',
      resource: 'backupruns',
      verb: 'create',
      allowed: true,
    });
    expect(JSON.stringify(report.events)).toContain('it said password=[removed] and [removed]');
    expect(text).not.toMatch(/hunter2|AGE-SECRET-KEY-1Q|managedFields/);
    expect(await backstay(['report', '--output', file('report.yaml')])).toMatchObject({ code: 1 });
  });

  it('who may see little gets a report of that, which says what is missing', async () => {
    const { code, stdout } = await backstay(['report', '--context', 'viewer', '--output', '-']);
    expect(code).toBe(0);
    expect(parse(stdout)).toMatchObject({
      BackupRun: expect.any(Array),
      jobs: { notGathered: expect.stringMatching(/^NotAllowed: .*cannot list resource "jobs"/) },
    });
  });
});
