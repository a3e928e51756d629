import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ApiClient } from '../../../src/cluster/kubernetes/http.ts';
import type { ObjectsError } from '../../../src/cluster/objects.ts';
import type { Resource } from '../../../src/cluster/resource.ts';
import { type ApiServer, apiServer } from '../../harness/cluster/api-server.ts';
import { OperatorProcess } from '../../harness/cluster/operator-process.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { eventually } from '../../harness/eventually.ts';
import { clientOf, freshNamespace, installKinds } from './kubernetes-client.ts';
import { sampleDraft } from './samples.ts';

// The first run on a machine builds kube-apiserver from source.
const coldMs = 10 * 60_000;
const junk = 'x'.repeat(1_000_000);

describe('a policy that carries a megabyte of junk', () => {
  let server: ApiServer;
  let client: ApiClient;
  let operator: OperatorProcess;
  let path: string;
  let spec: object;

  beforeAll(async () => {
    server = await apiServer({ tell: tellOnStderr });
    client = clientOf(server.kubeconfigPath);
    await installKinds(client);
    const namespace = await freshNamespace(client);
    path = `/apis/backstay.dev/v1alpha1/namespaces/${namespace}/backuppolicies`;
    spec = sampleDraft('BackupPolicy', namespace, 'any').spec as object;
    operator = new OperatorProcess(server.kubeconfigPath, 'junk', { namespaces: [namespace] });
    await operator.says('ready');
  }, coldMs);

  afterAll(async () => {
    await operator?.kill();
    client?.close();
    await server?.stop();
  });

  const create = (name: string, body: object): Promise<Resource> =>
    client.json<Resource>({
      method: 'POST',
      path,
      body: {
        apiVersion: 'backstay.dev/v1alpha1',
        kind: 'BackupPolicy',
        ...body,
        metadata: { name, ...metadataOf(body) },
      },
    });
  const metadataOf = (body: object): object => (body as { metadata?: object }).metadata ?? {};
  const settled = (name: string): Promise<Resource> =>
    eventually(async () => {
      const policy = await client.json<Resource>({ method: 'GET', path: `${path}/${name}` });
      expect(policy.status).toMatchObject({ observedGeneration: policy.metadata.generation });
      return policy;
    });

  it('in a field that does not exist: it is not kept, and the policy is looked after', async () => {
    await create('unknown', { spec: { ...spec, junk } });
    expect(JSON.stringify(await settled('unknown')).length).toBeLessThan(20_000);
  });

  it('in a field that does: it is refused in a message that names the field and does not repeat the junk', async () => {
    const refused = await create('known', { spec: { ...spec, engine: 'PostgreSQL', target: { host: junk } } }).then(
      () => undefined,
      (error: ObjectsError) => error,
    );
    expect(refused?.message).toContain('spec.target.host');
    expect(refused?.message.length).toBeLessThan(2_000);
  });

  it('in annotations, as much as the API server takes: the policy is looked after as any other', async () => {
    await create('annotated', { metadata: { annotations: { junk: junk.slice(0, 250_000) } }, spec });
    const { status } = await settled('annotated');
    expect(JSON.stringify(status).length).toBeLessThan(16_384);
  });

  it('and the operator goes on with the others', async () => {
    await create('plain', { spec });
    await settled('plain');
    expect(JSON.stringify(operator.log)).not.toContain(junk.slice(0, 1_000));
  });
});
