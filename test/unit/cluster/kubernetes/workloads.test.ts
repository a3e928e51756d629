import { describe, expect, it } from '@jest/globals';
import { imageOf, labelSelector, type ServerPodView } from '../../../../src/cluster/kubernetes/workloads.ts';

const workload = { kind: 'StatefulSet', namespace: 'prod', name: 'db' } as const;
const digest = `docker.io/library/postgres@sha256:${'a'.repeat(64)}`;
const which = { port: 5432 };

function pod(
  containers: { name: string; port?: number; imageID?: string; isDown?: boolean }[],
  metadata: Partial<ServerPodView['metadata']> = {},
): ServerPodView {
  return {
    metadata: { name: 'db-0', creationTimestamp: '2026-01-01T00:00:00Z', ...metadata },
    spec: {
      containers: containers.map(({ name, port }) => ({
        name,
        image: `${name}:18`,
        ...(port !== undefined && { ports: [{ containerPort: port }] }),
      })),
    },
    status: {
      containerStatuses: containers.map(({ name, imageID = digest, isDown }) => ({
        name,
        imageID,
        state: isDown === true ? {} : { running: {} },
      })),
    },
  };
}

describe('the image of a workload', () => {
  it('is the digest that the pod of the server runs', () => {
    expect(imageOf(workload, [pod([{ name: 'postgres' }])], which)).toBe(digest);
  });

  it.each([
    ['docker-pullable://', `docker-pullable://${digest}`, digest],
    ['an id of the node alone', `sha256:${'b'.repeat(64)}`, 'postgres:18'],
    ['nothing', '', 'postgres:18'],
  ])('is one that every node can pull, also when the node says %s', (_what, imageID, expected) => {
    expect(imageOf(workload, [pod([{ name: 'postgres', imageID }])], which)).toBe(expected);
  });

  it('is that of the newest pod that runs and stays', () => {
    const image = (letter: string) => `docker.io/library/postgres@sha256:${letter.repeat(64)}`;
    const made = (name: string, at: string, more: object = {}) =>
      pod([{ name: 'postgres', imageID: image(name), ...more }], { creationTimestamp: at });
    const leaving = pod([{ name: 'postgres', imageID: image('d') }], {
      creationTimestamp: '2026-01-04T00:00:00Z',
      deletionTimestamp: '2026-01-05T00:00:00Z',
    });
    const pods = [
      made('a', '2026-01-01T00:00:00Z'),
      made('b', '2026-01-02T00:00:00Z'),
      made('c', '2026-01-03T00:00:00Z', { isDown: true }),
      leaving,
    ];
    expect(imageOf(workload, pods, which)).toBe(image('b'));
  });

  it('is that of the container that exposes the port, or the one that is named', () => {
    const both = pod([
      { name: 'exporter', port: 9187, imageID: `x@sha256:${'e'.repeat(64)}` },
      { name: 'postgres', port: 5432 },
    ]);
    expect(imageOf(workload, [both], which)).toBe(digest);
    expect(imageOf(workload, [both], { port: 5432, name: 'exporter' })).toBe(`x@sha256:${'e'.repeat(64)}`);
  });

  it.each<[string, { name: string; port?: number }[], string | undefined, string]>([
    [
      'no container exposes the port',
      [{ name: 'a' }, { name: 'b' }],
      undefined,
      'none exposes port 5432; there are a, b',
    ],
    [
      'two of them do',
      [
        { name: 'a', port: 5432 },
        { name: 'b', port: 5432 },
      ],
      undefined,
      'several expose port 5432; there are a, b',
    ],
    ['none is called so', [{ name: 'a' }, { name: 'b' }], 'c', 'StatefulSet db has no container c; there are a, b'],
  ])('is refused with the names when %s', (_what, containers, name, message) => {
    expect(() => imageOf(workload, [pod(containers)], { port: 5432, name })).toThrow(message);
  });

  it.each([
    ['there is no pod', []],
    ['its pod does not run', [pod([{ name: 'postgres', isDown: true }])]],
    ['its pod has no node yet', [{ ...pod([{ name: 'postgres' }]), status: {} }]],
  ])('is not known when %s', (_what, pods) => {
    expect(() => imageOf(workload, pods, which)).toThrow('no pod of StatefulSet db in prod runs');
  });
});

describe('a selector', () => {
  it('is written as a query', () => {
    const matchExpressions = [
      { key: 'tier', operator: 'In', values: ['a', 'b'] },
      { key: 'old', operator: 'DoesNotExist' },
      { key: 'db', operator: 'Exists' },
      { key: 'x', operator: 'NotIn', values: ['y'] },
    ];
    expect(labelSelector({ matchLabels: { app: 'db' }, matchExpressions })).toBe(
      'app=db,tier in (a,b),!old,db,x notin (y)',
    );
  });
});
