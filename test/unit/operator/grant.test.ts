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

function prepared(asked: object = source, policy: object = policySpec, world = new World()): World {
  for (const name of ['shop', 'secret']) {
    world.create('BackupPolicy', name, policy, elsewhere);
    addRun(world, `${name}-run`, name);
  }
  world.create('RestoreRequest', 'back', { ...requestSpec, source: asked });
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
