import { describe, expect, it } from '@jest/globals';
import { type ClaimUserView, nodeBoundOf } from '../../../../src/cluster/kubernetes/claims.ts';
import { taskLabels } from '../../../../src/cluster/kubernetes/job.ts';

const claim = (...accessModes: string[]) => ({ metadata: { name: 'backups' }, spec: { accessModes } });
const pod = (name: string, more: { node?: string; phase?: string; claim?: string; ours?: boolean; leaves?: boolean }) =>
  ({
    metadata: {
      name,
      ...(more.ours === true && { labels: taskLabels }),
      ...(more.leaves === true && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    },
    spec: {
      ...(more.node !== undefined && { nodeName: more.node }),
      volumes: [{}, { persistentVolumeClaim: { claimName: more.claim ?? 'backups' } }],
    },
    status: { phase: more.phase ?? 'Running' },
  }) satisfies ClaimUserView;

describe('where a pod with a claim has to run', () => {
  it('is where a pod that uses the claim runs', () => {
    expect(nodeBoundOf([claim('ReadWriteOnce')], [pod('db-0', { node: 'b' })])).toEqual({
      node: 'b',
      why: 'pod db-0 on node b uses claim "backups"',
    });
  });

  it.each<[string, string, ClaimUserView[]]>([
    ['nobody uses the claim', 'ReadWriteOnce', []],
    ['another claim is used', 'ReadWriteOnce', [pod('db-0', { node: 'b', claim: 'other' })]],
    ['its user has no node yet', 'ReadWriteOnce', [pod('db-0', { phase: 'Pending' })]],
    ['its user has succeeded', 'ReadWriteOnce', [pod('db-0', { node: 'b', phase: 'Succeeded' })]],
    ['its user has failed', 'ReadWriteOnce', [pod('db-0', { node: 'b', phase: 'Failed' })]],
    ['its user is on its way out', 'ReadWriteOnce', [pod('db-0', { node: 'b', leaves: true })]],
    ['the one pod that it is for is on its way out', 'ReadWriteOncePod', [pod('db-0', { node: 'b', leaves: true })]],
    ['the claim can be on every node', 'ReadWriteMany', [pod('db-0', { node: 'b' })]],
  ])('is anywhere when %s', (_what, mode, pods) => {
    expect(nodeBoundOf([claim(mode)], pods)).toBeUndefined();
  });

  it('is where the user is that stays, and not where the one is that leaves', () => {
    const pods = [pod('old', { node: 'a', leaves: true }), pod('new', { node: 'b' })];
    expect(nodeBoundOf([claim('ReadWriteOnce')], pods)?.node).toBe('b');
  });

  it('is nowhere while somebody else uses a claim that is for one pod', () => {
    const bound = () => nodeBoundOf([claim('ReadWriteOncePod')], [pod('db-0', { node: 'b' })]);
    expect(bound).toThrow('claim "backups" can be used by one pod only, and pod db-0 on node b uses it');
  });

  it('waits for a task of ours that uses a claim that is for one pod', () => {
    expect(nodeBoundOf([claim('ReadWriteOncePod')], [pod('backup', { node: 'b', ours: true })])?.node).toBe('b');
  });
});
