import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { buildJob, jobName, podDefaults } from '../../../../src/cluster/kubernetes/job.ts';
import type { TaskSpec } from '../../../../src/cluster/runner.ts';
import type { Task } from '../../../../src/contract/task.ts';
import { toolLoop } from '../../../../src/contract/tool-loop.ts';

const settings = { ...podDefaults, image: 'backstay:dev' };

const spec: TaskSpec = {
  name: 'shop-nightly-1-backup-1',
  namespace: 'prod',
  owner: {
    apiVersion: 'backstay.dev/v1alpha1',
    kind: 'BackupRun',
    name: 'shop-nightly-1',
    uid: '8d7c6b5a-0000-4000-8000-000000000001',
    controller: true,
  },
  secrets: [
    { mount: 'backup', secretName: 'shop-backup', keys: { user: 'username', pass: 'password' } },
    { mount: 'store', secretName: 's3', keys: { accessKeyId: 'accessKeyId' } },
  ],
  task: (root) =>
    ({
      taskVersion: 1,
      verb: 'inspect',
      object: 'prod/shop',
      runUid: 'u',
      deadlineMs: 1,
      store: { kind: 'filesystem', name: 'near', path: `${root}/store` },
    }) satisfies Task,
  tool: { image: 'postgres:18' },
  volumes: [{ claimName: 'backups', path: '/backstay/store' }],
  runningMs: 3_600_500,
};

interface Container {
  name: string;
  securityContext: object;
  volumeMounts: { name: string; mountPath: string }[];
}

const podSpec = (of: TaskSpec) =>
  (
    buildJob(of, settings) as {
      spec: {
        template: { spec: { initContainers?: Container[]; containers: Container[]; volumes: { name: string }[] } };
      };
    }
  ).spec.template.spec;

describe('the Job of a task', () => {
  it('is the one in the golden file', () => {
    const golden = JSON.parse(readFileSync(new URL('./job.golden.json', import.meta.url), 'utf8'));
    const built = JSON.parse(JSON.stringify(buildJob(spec, settings)).replace(JSON.stringify(toolLoop), '"TOOL LOOP"'));
    expect(built).toEqual(golden);
  });

  it('gives the tool container no secret and no task', () => {
    const tool = podSpec(spec).initContainers![0]!;
    expect(tool.volumeMounts.map(({ name }) => name)).toEqual(['work', 'private', 'tmp']);
  });

  it('has a volume for every mount and a mount for every volume', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string()),
        fc.array(fc.string()),
        fc.option(fc.constant({ image: 'tool' }), { nil: undefined }),
        (secretNames, claimNames, tool) => {
          const pod = podSpec({
            ...spec,
            tool,
            secrets: secretNames.map((secretName, at) => ({ mount: `m${at}`, secretName, keys: { a: 'a' } })),
            volumes: claimNames.map((claimName, at) => ({ claimName, path: `/v${at}` })),
          });
          const mounted = [...(pod.initContainers ?? []), ...pod.containers].flatMap(
            ({ volumeMounts }) => volumeMounts,
          );
          expect(new Set(mounted.map(({ name }) => name))).toEqual(new Set(pod.volumes.map(({ name }) => name)));
        },
      ),
    );
  });

  it('has what the user says of the pod, and the resources in the place of those of the operator', () => {
    const pod = {
      nodeSelector: { disk: 'fast' },
      tolerations: [{ key: 'backup', operator: 'Exists' }],
      priorityClassName: 'low',
      imagePullSecrets: [{ name: 'registry' }],
    };
    const tool = { limits: { memory: '1Gi' } };
    const built = podSpec({ ...spec, pod: { ...pod, resources: { tool } } });
    expect(built).toMatchObject(pod);
    expect(built.initContainers![0]).toMatchObject({ resources: tool });
    expect(built.containers[0]).toMatchObject({ resources: podDefaults.agentResources });
  });

  it('runs as the ServiceAccount of the operator’s choice, without its token', () => {
    const job = buildJob(spec, { ...settings, serviceAccountName: 'tasks' }) as {
      spec: { template: { spec: object } };
    };
    expect(job.spec.template.spec).toMatchObject({ serviceAccountName: 'tasks', automountServiceAccountToken: false });
  });

  it('goes to the one node where it can run, by the scheduler', () => {
    const job = buildJob(spec, settings, { node: 'b', why: 'there' }) as {
      spec: { template: { metadata: object; spec: object } };
    };
    expect(job.spec.template.metadata).toMatchObject({ annotations: { 'backstay.dev/bound-to-node': 'there' } });
    const term = { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] };
    expect(job.spec.template.spec).toMatchObject({
      affinity: {
        nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } },
      },
    });
    expect(job.spec.template.spec).not.toHaveProperty('nodeName');
  });

  it('has no tool container when the task needs no tool', () => {
    expect(podSpec({ ...spec, tool: undefined }).initContainers).toBeUndefined();
  });

  it('without an image for its tool is refused', () => {
    expect(() => buildJob({ ...spec, tool: {} }, settings)).toThrow('no image with the database tool is named');
  });

  it('passes the tool loop on unchanged: Kubernetes expands $$ and $(NAME) in a command', () => {
    expect(toolLoop).not.toMatch(/\$\$|\$\([A-Za-z_.-]+\)/);
  });

  it('asks of every container what restricted Pod Security asks', () => {
    const pod = podSpec(spec);
    for (const { securityContext } of [...pod.initContainers!, ...pod.containers]) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
  });
});

describe('the name of a Job', () => {
  const part = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?$/);

  it('fits into a label and is a name', () => {
    fc.assert(
      fc.property(part, (name) => {
        expect(jobName(name)).toMatch(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/);
      }),
    );
  });

  it('is the name of the task when that is short, and another one for every long name', () => {
    expect(jobName('a'.repeat(63))).toBe('a'.repeat(63));
    expect(jobName(`${'a'.repeat(70)}1`)).not.toBe(jobName(`${'a'.repeat(70)}2`));
  });
});
