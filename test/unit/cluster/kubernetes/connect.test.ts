import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectByKubeconfig } from '../../../../src/cluster/kubernetes/connect.ts';

const kubeconfig = `
apiVersion: v1
kind: Config
current-context: one
clusters:
- { name: near, cluster: { server: "https://near:6443/prefix", insecure-skip-tls-verify: true } }
- { name: far, cluster: { server: "https://far", certificate-authority: ca.crt } }
users:
- { name: ann, user: { token: secret-of-ann } }
- { name: bob, user: { client-certificate: bob.crt, client-key: bob.key } }
contexts:
- { name: one, context: { cluster: near, user: ann, namespace: prod } }
- { name: two, context: { cluster: far, user: bob } }
- { name: broken, context: { cluster: nowhere, user: ann } }
`;

describe('a connection by kubeconfig', () => {
  let dir: string;
  let path: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'backstay-kubeconfig-'));
    path = join(dir, 'config');
    writeFileSync(path, kubeconfig);
    for (const name of ['ca.crt', 'bob.crt', 'bob.key']) writeFileSync(join(dir, name), `old ${name}`);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('takes the current context unless another is named', async () => {
    const one = connectByKubeconfig({ path });
    expect(one).toMatchObject({ server: new URL('https://near:6443/prefix'), namespace: 'prod' });
    expect(await one.authorize()).toEqual(
      expect.objectContaining({ headers: { Authorization: 'Bearer secret-of-ann' }, rejectUnauthorized: false }),
    );
    expect(connectByKubeconfig({ path, context: 'two' })).toMatchObject({
      server: new URL('https://far'),
      namespace: undefined,
    });
  });

  it('by several files as kubectl does it: what the first one names wins, the rest is added', () => {
    const second = join(dir, 'second');
    writeFileSync(
      second,
      kubeconfig
        .replaceAll('near:6443/prefix', 'other')
        .replace('name: broken', 'name: three')
        .replace('namespace: prod', ''),
    );
    expect(connectByKubeconfig({ path: [path, second] })).toMatchObject({
      server: new URL('https://near:6443/prefix'),
      namespace: 'prod',
    });
    expect(() => connectByKubeconfig({ path: [path, second], context: 'four' })).toThrow(
      expect.objectContaining({ hint: 'Name one of: one, two, broken, three.' }),
    );
  });

  it('reads certificates again for every request, so that a renewed one counts', async () => {
    const { authorize } = connectByKubeconfig({ path, context: 'two' });
    expect(String((await authorize()).cert)).toBe('old bob.crt');
    writeFileSync(join(dir, 'bob.crt'), 'new');
    const options = await authorize();
    expect([options.ca, options.cert, options.key].map(String)).toEqual(['old ca.crt', 'new', 'old bob.key']);
    expect(options.agent).toBeUndefined();
  });

  it.each([
    ['a context that is not there', { context: 'three' }, 'there is no context "three"', 'one, two, broken'],
    ['a context whose cluster is not there', { context: 'broken' }, 'no API server is named', 'kubeconfig'],
  ])('refuses %s', (_, more, message, hint) => {
    expect(() => connectByKubeconfig({ path, ...more })).toThrow(
      expect.objectContaining({ message: expect.stringContaining(message), hint: expect.stringContaining(hint) }),
    );
  });

  it.each([
    ['nowhere', undefined],
    ['empty', ''],
    ['not-yaml', '{{{'],
    ['a-list', '- 1'],
  ])('refuses the file %s and names it', (name, content) => {
    const bad = join(dir, name);
    if (content !== undefined) writeFileSync(bad, content);
    expect(() => connectByKubeconfig({ path: bad })).toThrow(
      expect.objectContaining({ reason: 'SpecInvalid', where: bad }),
    );
  });
});
