import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { parseSpec } from '../../../src/api/parse.ts';
import { ApiError } from '../../../src/cluster/kubernetes/api-error.ts';
import type { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import type { KubernetesObjects } from '../../../src/cluster/kubernetes/objects.ts';
import { objectPath } from '../../../src/cluster/kubernetes/paths.ts';
import { type Draft, keyOf } from '../../../src/cluster/resource.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { clientOf, freshNamespace, installKinds, objectsOf } from './kubernetes-client.ts';
import { sampleDraft } from './samples.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;
const folder = new URL('../../fixtures/samples/', import.meta.url);
const samples = (name: string): string[] => readdirSync(new URL(`${name}/`, folder)).map((file) => `${name}/${file}`);

describe('the kinds in a real API server', () => {
  let server: ApiServer;
  let client: ApiClient;
  let objects: KubernetesObjects;
  let namespace: string;

  beforeAll(async () => {
    server = await apiServer({ tell: tellOnStderr });
    client = clientOf(server.kubeconfigPath);
    objects = objectsOf(client);
    await installKinds(client);
  }, coldMs);
  afterAll(async () => {
    client?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    namespace = await freshNamespace(client);
  });

  async function refusal(draft: Draft): Promise<ApiError> {
    const error = await objects.create(draft).then(
      () => undefined,
      (thrown) => thrown,
    );
    expect(error).toBeInstanceOf(ApiError);
    return error;
  }

  function read(file: string): { draft: Draft; said: string } {
    const text = readFileSync(new URL(file, folder), 'utf8');
    const { kind, metadata, spec } = parse(text);
    return {
      draft: { kind, metadata: { ...metadata, namespace }, spec },
      said: text.split('\n')[0]!.replace('# ', ''),
    };
  }

  it.each(samples('valid'))('takes %s and fills in the defaults that Backstay fills in', async (file) => {
    const { draft } = read(file);
    const { spec } = await objects.create(draft);
    expect(spec).toEqual(JSON.parse(JSON.stringify(parseSpec(draft.kind, draft.spec))));
  });

  // What the API server checks without a rule of ours, in its words.
  const itsWords =
    /^(Required value|Unsupported value: .*|Too many: .*|Duplicate value: .*|Invalid value: \d+: .* should (have at least|be less than or equal to) \d+.*)$/;

  it.each(samples('invalid'))('refuses %s, naming the field as Backstay does', async (file) => {
    const { draft, said } = read(file);
    const error = await refusal(draft);
    expect(error.code).toBe('Invalid');
    const [, field = '', problem = ''] = /^(\S+) (.*)$/.exec(said) ?? [];
    const [, itsField = '', itsProblem = ''] = /^(\S+): (.*)$/.exec(error.message) ?? [];
    // One of two equal names is wrong: the list for us, the second of them for the server.
    expect(itsField.replace(/^spec\.(schedules|from)\[1\]$/, 'spec.$1')).toBe(field);
    if (!itsWords.test(itsProblem)) expect(itsProblem.slice(0, problem.length)).toBe(problem);
  });

  it.each(samples('invalid-strict'))('refuses %s, naming the field that does not exist', async (file) => {
    const { draft, said } = read(file);
    const error = await refusal(draft);
    expect(error).toMatchObject({
      code: 'Invalid',
      message: expect.stringContaining(`unknown field "${said.split(' ')[0]}"`),
    });
  });

  it.each(samples('invalid-later'))('takes %s: only Backstay can tell', async (file) => {
    await objects.create(read(file).draft);
  });

  it('refuses a status with a field that the served kinds do not know, instead of dropping it', async () => {
    const run = await objects.create(sampleDraft('BackupRun', namespace, 'shop'));
    await expect(objects.replaceStatus(run, { phase: 'Running', ofLaterVersion: 1 })).rejects.toMatchObject({
      code: 'Invalid',
      message: expect.stringContaining('unknown field "status.ofLaterVersion"'),
    });
  });

  it('refuses a change to a run, which is a record', async () => {
    const run = await objects.create(sampleDraft('BackupRun', namespace, 'shop'));
    const path = objectPath('BackupRun', keyOf(run));
    await expect(client.json({ method: 'PATCH', path, body: { spec: { takeover: true } } })).rejects.toMatchObject({
      code: 'Invalid',
    });
  });
});
