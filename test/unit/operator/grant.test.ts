import { describe, expect, it } from '@jest/globals';
import type { RestoreRequestStatus } from '../../../src/api/restore-request.ts';
import type { Report } from '../../../src/contract/report.ts';
import { backedUp, failedWith, policySpec, requestSpec, runSpec, World } from './world.ts';

// The request lies in prod, and reads from vault.
const source = { namespace: 'vault', policyName: 'shop' };
const elsewhere = { namespace: 'vault' };
const settle = (world: World) => world.settle('RestoreRequest', 'back');
const statusOf = (world: World): RestoreRequestStatus => world.status('RestoreRequest', 'back');

function grant(world: World, spec: object = {}, more: object = {}): void {
  world.create('BackupGrant', 'grant', { from: [{ namespace: 'prod' }], ...spec }, { ...elsewhere, ...more });
}

function addRun(world: World, name: string, policyName: string): void {
  const run = world.create('BackupRun', name, { ...runSpec, policyName }, elsewhere);
  const { set } = backedUp(`uid-${name}`) as Extract<Report, { outcome: 'backed-up' }>;
  world.stored.set(`BackupRun/vault/${name}`, {
    ...run,
    status: { phase: 'Succeeded', set: { store: 'main', ...set } },
  });
}

function prepared(
  asked: object = source,
  policy: object = policySpec,
  world = new World(),
  more: object = { ...(world.mode === 'kubernetes' && { toolImages: { restore: 'postgres:18' } }) },
): World {
  for (const name of ['shop', 'secret']) {
    world.create('BackupPolicy', name, policy, elsewhere);
    addRun(world, `${name}-run`, name);
  }
  world.create('RestoreRequest', 'back', { ...requestSpec, source: asked, ...more });
  return world;
}

const ended = (world: World) => ({ started: world.started, ...statusOf(world) });

describe('a restore from another namespace', () => {
  it.each([
    ['all its policies', {}],
    ['this policy', { policies: ['other', 'shop'] }],
    ['several namespaces', { from: [{ namespace: 'test' }, { namespace: 'prod' }] }],
  ])('runs when a grant there allows %s, with the secrets of its own namespace', async (_what, spec) => {
    const world = prepared();
    grant(world, spec);
    await settle(world);
    expect(statusOf(world)).toMatchObject({
      phase: 'Preparing',
      source: { namespace: 'vault', run: 'shop-run', policy: 'shop' },
    });
    expect(world.tasks.get('back-restore')?.spec).toMatchObject({ namespace: 'prod' });
  });

  it('of a run runs when the policy of the run is granted', async () => {
    const world = prepared({ namespace: 'vault', runName: 'shop-run' });
    grant(world, { policies: ['shop'] });
    await settle(world);
    expect(statusOf(world).source).toMatchObject({ namespace: 'vault', run: 'shop-run' });
  });

  it('needs no grant for its own namespace by name', async () => {
    const world = new World();
    world.create('BackupPolicy', 'shop', policySpec);
    const run = world.create('BackupRun', 'now', runSpec);
    const { set } = backedUp() as Extract<Report, { outcome: 'backed-up' }>;
    world.stored.set('BackupRun/now', { ...run, status: { phase: 'Succeeded', set: { store: 'main', ...set } } });
    world.create('RestoreRequest', 'back', { ...requestSpec, source: { namespace: 'prod', runName: 'now' } });
    await settle(world);
    expect(world.started).toEqual(['back-restore']);
  });

  it.each([
    ['there is no grant', () => undefined],
    ['the grant names another namespace', (world: World) => grant(world, { from: [{ namespace: 'test' }] })],
    ['the grant names another policy', (world: World) => grant(world, { policies: ['other'] })],
    ['the grant cannot be read', (world: World) => grant(world, { policies: 'shop' })],
    [
      'the grant is being deleted',
      (world: World) => grant(world, {}, { deletionTimestamp: '2026-03-01T11:00:00Z', finalizers: ['theirs'] }),
    ],
    [
      'a grant of that name lies in its own namespace',
      (world: World) => world.create('BackupGrant', 'grant', { from: [{ namespace: 'prod' }] }),
    ],
  ])('waits while %s, goes on once it is granted, and fails after ten minutes', async (_what, change) => {
    const world = prepared();
    change(world);
    expect(await settle(world)).toMatchObject({
      kind: 'waiting',
      reason: 'ReferenceNotGranted',
      message: expect.stringMatching(/^no BackupGrant in vault lets prod read policy shop\. .*kubectl apply -f -$/),
    });
    await world.clock.advance(600_000);
    await settle(world);
    expect(ended(world)).toMatchObject({ started: [], phase: 'Failed', failure: { reason: 'ReferenceNotGranted' } });
  });

  it('goes on once it is granted', async () => {
    const world = prepared();
    await settle(world);
    grant(world);
    await settle(world);
    expect(world.started).toEqual(['back-restore']);
  });

  it('gives a grant to apply that grants what was asked for', async () => {
    const world = prepared();
    const outcome = await settle(world);
    const [, text = ''] = /echo '(.*)'/.exec((outcome as { message: string }).message) ?? [];
    const { spec, metadata } = JSON.parse(text);
    world.create('BackupGrant', metadata.name, spec, { namespace: metadata.namespace });
    await settle(world);
    expect(world.started).toEqual(['back-restore']);
  });
});

describe('who lacks a grant does not learn', () => {
  const told = async (asked: object, spec?: object): Promise<unknown> => {
    const world = prepared({ namespace: 'vault', ...asked });
    if (spec !== undefined) grant(world, spec);
    expect(await settle(world)).toMatchObject({ reason: 'ReferenceNotGranted' });
    return JSON.parse(JSON.stringify(statusOf(world)).replaceAll(/nowhere|secret-run|secret/g, 'it'));
  };
  const grants: [string, object | undefined][] = [
    ['no grant', undefined],
    ['a grant for another policy', { policies: ['shop'] }],
  ];

  it.each(grants)('whether a policy exists: %s', async (_what, spec) => {
    expect(await told({ policyName: 'secret' }, spec)).toEqual(await told({ policyName: 'nowhere' }, spec));
  });

  it.each(grants)('whether a run exists: %s', async (_what, spec) => {
    expect(await told({ runName: 'secret-run' }, spec)).toEqual(await told({ runName: 'nowhere' }, spec));
  });
});

describe('a grant that is taken back', () => {
  const withdraw = (world: World): void => void world.stored.delete('BackupGrant/vault/grant');

  it('after the intent and before the task: nothing is started', async () => {
    const world = prepared();
    grant(world);
    while (statusOf(world).task === undefined) await world.visit('RestoreRequest', 'back');
    expect(world.started).toEqual([]);
    withdraw(world);
    await settle(world);
    expect(ended(world)).toMatchObject({ started: [], phase: 'Failed', failure: { reason: 'ReferenceNotGranted' } });
  });

  it.each(['starting', 'running'] as const)('stops a task that is %s, and the status said so before', async (state) => {
    const world = prepared();
    grant(world);
    await settle(world);
    world.set('back-restore', { state });
    withdraw(world);
    await world.visit('RestoreRequest', 'back');
    expect(world.tasks.get('back-restore')?.stopped).toBe(false);
    expect(statusOf(world).task?.stopping).toMatchObject({ reason: 'ReferenceNotGranted' });
    await settle(world);
    expect(world.tasks.get('back-restore')?.stopped).toBe(true);
    world.end('back-restore', failedWith('Stopped'));
    await settle(world);
    expect(statusOf(world)).toMatchObject({ phase: 'Failed', failure: { reason: 'ReferenceNotGranted' } });
  });
});

describe('out of reach from another namespace', () => {
  const claimed = {
    ...policySpec,
    toolImages: { dump: 'postgres:18' },
    stores: [{ name: 'main', filesystem: { claimName: 'backups' } }],
  };

  it('is a store on a volume claim, and who lacks a grant is not told of it', async () => {
    const world = prepared(source, claimed, new World('kubernetes'));
    expect(await settle(world)).toMatchObject({ reason: 'ReferenceNotGranted' });
    grant(world);
    await settle(world);
    expect(ended(world)).toMatchObject({
      started: [],
      phase: 'Failed',
      failure: { reason: 'NotSupportedHere', message: expect.stringContaining('the volume claim backups of vault') },
    });
  });

  it('is a namespace that the operator does not look after', async () => {
    const world = prepared();
    world.namespaces = ['prod'];
    grant(world);
    await settle(world);
    expect(ended(world)).toMatchObject({
      started: [],
      phase: 'Failed',
      failure: {
        reason: 'NotSupportedHere',
        message: expect.stringContaining('does not look after the namespace vault'),
      },
    });
  });
});

/** What an owner of vault would write who wants to get hold of what lies in prod. */
const greedy = {
  ...policySpec,
  target: { ...policySpec.target, workload: { kind: 'StatefulSet', name: 'evil' } },
  toolImages: { dump: 'evil.example.com/tool' },
  stores: [
    {
      name: 'main',
      s3: {
        bucket: 'backups',
        prefix: 'vault',
        endpoint: 'http://collect.example.com',
        credentials: { secretName: 'shop-admin', accessKeyIdKey: 'password', secretAccessKeyKey: 'username' },
        caSecretName: 'their-ca',
      },
    },
  ],
  encryption: {
    age: { recipients: [`age1${'q'.repeat(58)}`], identity: { secretName: 'shop-admin', key: 'password' } },
  },
  jobs: {
    nodeSelector: { owner: 'evil' },
    tolerations: [{ operator: 'Exists' }],
    priorityClassName: 'system-node-critical',
    imagePullSecrets: [{ name: 'shop-admin' }],
    resources: { tool: { requests: { memory: '1Gi' } } },
  },
};
const policyWithBucket = () => ({
  ...policySpec,
  toolImages: { dump: 'postgres:17' },
  stores: greedy.stores.map(({ name, s3 }) => ({ name, s3: { ...s3, credentials: { secretName: 'vault-key' } } })),
});
const storeCredentials = { secretName: 'store-key', accessKeyIdKey: 'id', secretAccessKeyKey: 'key' };

describe('the policy of another namespace', () => {
  it('says where the backup lies, and chooses neither image nor secrets nor pod', async () => {
    const asked = { ...source, storeCredentials: { ...storeCredentials, caSecretName: 'our-ca' } };
    const world = prepared({ ...asked, identity: { secretName: 'paper' } }, greedy, new World('kubernetes'));
    grant(world);
    await settle(world);
    const started = world.tasks.get('back-restore')?.spec;
    expect(started).toMatchObject({
      tool: { image: 'postgres:18' },
      pod: { resources: { tool: { requests: { memory: '1Gi' } } } },
    });
    expect(Object.keys(started?.pod ?? {})).toEqual(['resources']);
    expect(started?.secrets).toEqual([
      { mount: 'admin', secretName: 'shop-admin', keys: { username: 'username', password: 'password' } },
      { mount: 'store', secretName: 'store-key', keys: { id: 'id', key: 'key' } },
      { mount: 'store-ca', secretName: 'our-ca', keys: { 'ca.crt': 'ca.crt' } },
      { mount: 'identity', secretName: 'paper', keys: { identity: 'identity' } },
    ]);
    expect(started?.task('/root')).toMatchObject({
      store: {
        bucket: 'backups',
        prefix: 'vault',
        endpoint: 'http://collect.example.com',
        accessKeyId: { mount: 'store', key: 'id' },
        secretAccessKey: { mount: 'store', key: 'key' },
        ca: { mount: 'store-ca', key: 'ca.crt' },
      },
      identity: { mount: 'identity', key: 'identity' },
    });
  });

  it('names no identity and no CA where the request names none', async () => {
    const world = prepared({ ...source, storeCredentials }, greedy, new World('kubernetes'));
    grant(world);
    await settle(world);
    const started = world.tasks.get('back-restore')?.spec;
    expect(started?.secrets.map(({ mount }) => mount)).toEqual(['admin', 'store']);
    const task = started?.task('/root') as { identity?: object; store: { ca?: object } };
    expect([task.identity, task.store.ca]).toEqual([undefined, undefined]);
  });

  it('that is edited after the backup was chosen changes neither image nor secrets', async () => {
    const world = prepared({ ...source, storeCredentials }, policyWithBucket(), new World('kubernetes'));
    grant(world);
    while (statusOf(world).task === undefined) await world.visit('RestoreRequest', 'back');
    const policy = world.read('BackupPolicy', 'shop', 'vault');
    if (policy === undefined) throw new Error('no policy');
    world.stored.set('BackupPolicy/vault/shop', { ...policy, spec: greedy });
    await settle(world);
    const started = world.tasks.get('back-restore')?.spec;
    expect(started?.tool).toEqual({ image: 'postgres:18' });
    expect(started?.secrets.map(({ secretName }) => secretName)).toEqual(['shop-admin', 'store-key']);
  });

  it.each([
    ['image of the tools', { ...source, storeCredentials }, {}, 'spec.toolImages.restore is missing'],
    ['key of the store', source, undefined, 'spec.source.storeCredentials is missing'],
  ])('is not read while the request names no %s of its own', async (_what, asked, more, message) => {
    const world = prepared(asked, greedy, new World('kubernetes'), more);
    grant(world);
    await settle(world);
    expect(ended(world)).toMatchObject({
      started: [],
      phase: 'Failed',
      failure: { reason: 'SpecInvalid', message: expect.stringContaining(message) },
    });
  });

  it('is not told of to who lacks a grant, not even the kind of its store', async () => {
    const world = prepared(source, greedy, new World('kubernetes'));
    expect(await settle(world)).toMatchObject({ reason: 'ReferenceNotGranted' });
  });
});

describe('the key of the store', () => {
  const here = async (store: object | undefined): Promise<World> => {
    const world = new World('kubernetes');
    world.create('BackupPolicy', 'shop', { ...policySpec, toolImages: { dump: 'postgres:17' }, stores: [store] });
    const run = world.create('BackupRun', 'now', runSpec);
    const { set } = backedUp() as Extract<Report, { outcome: 'backed-up' }>;
    world.stored.set('BackupRun/now', { ...run, status: { phase: 'Succeeded', set: { store: 'main', ...set } } });
    world.create('RestoreRequest', 'back', { ...requestSpec, source: { policyName: 'shop', storeCredentials } });
    await settle(world);
    return world;
  };

  it('may be another one than that of the policy in the same namespace, which chooses all else', async () => {
    const world = await here(policyWithBucket().stores[0]);
    expect(world.tasks.get('back-restore')?.spec).toMatchObject({
      tool: { image: 'postgres:17' },
      secrets: [{ mount: 'admin' }, { mount: 'store', secretName: 'store-key' }, { secretName: 'their-ca' }],
    });
  });

  it('is refused for a store that has none', async () => {
    expect(ended(await here({ name: 'main', filesystem: { claimName: 'backups' } }))).toMatchObject({
      started: [],
      failure: { reason: 'SpecInvalid', message: expect.stringContaining('spec.source.storeCredentials') },
    });
  });
});

it('a grant says in its status who may read what', async () => {
  const world = new World();
  world.create('BackupGrant', 'one', { from: [{ namespace: 'a' }, { namespace: 'b' }], policies: ['shop'] });
  await world.settle('BackupGrant', 'one');
  expect(world.status('BackupGrant', 'one')).toMatchObject({
    conditions: [
      { type: 'Ready', status: 'True', message: 'a, b may restore from the backups of policies shop of prod' },
    ],
  });
});
