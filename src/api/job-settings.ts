import { z } from 'zod';
import { objectName, text, withRules } from './field.ts';

const amount = (): z.ZodString =>
  text(32, '^[0-9]+([.][0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$', 'must be an amount such as 500m, 2 or 512Mi');

const amounts = (description: string) =>
  z
    .strictObject({
      cpu: amount().optional().describe('Processor time.'),
      memory: amount().optional().describe('Memory.'),
      'ephemeral-storage': amount().optional().describe('Space on the disk of the node.'),
    })
    .optional()
    .describe(description);

/** What one container asks for and may take, in the form of Kubernetes. */
export const containerResources = () =>
  z.strictObject({
    requests: amounts('What the node must have free.'),
    limits: amounts('What it may take. More memory than that, and the container is killed.'),
  });

const label = (maxLength: number): z.ZodString => z.string().max(maxLength);

const toleration = withRules(
  z.strictObject({
    key: label(316).min(1).optional().describe('Key of the taint. Left out, with operator Exists: every taint.'),
    operator: z
      .enum(['Equal', 'Exists'])
      .default('Equal')
      .describe('Equal: the values are the same. Exists: any value.'),
    value: label(63).optional().describe('Value of the taint.'),
    effect: z
      .enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])
      .optional()
      .describe('Effect of the taint. Left out: every effect.'),
    tolerationSeconds: z.int().min(0).optional().describe('For NoExecute: how long the pod stays.'),
  }),
  {
    cel: `has(self.key) || self.operator == 'Exists'`,
    message: 'must have operator Exists when it has no key',
    holds: ({ key, operator }) => key !== undefined || operator === 'Exists',
  },
  {
    cel: `!has(self.value) || self.operator == 'Equal'`,
    message: 'must have no value with operator Exists',
    holds: ({ value, operator }) => value === undefined || operator === 'Equal',
  },
);

/** What a user may say about the pods of a policy's tasks. All else of a pod is fixed: see src/cluster/kubernetes/job.ts. */
export const jobSettings = z.strictObject({
  nodeSelector: z.record(z.string(), label(63)).optional().describe('Labels that a node must have to get the pods.'),
  tolerations: z.array(toleration).max(16).optional().describe('Taints of nodes that do not keep the pods away.'),
  priorityClassName: objectName().optional().describe('PriorityClass of the pods.'),
  imagePullSecrets: z
    .array(z.strictObject({ name: objectName().describe('Secret in the same namespace.') }))
    .max(8)
    .optional()
    .describe('Credentials of the registries that the images come from.'),
  resources: z
    .strictObject({
      agent: containerResources().optional().describe('The container that moves the bytes.'),
      tool: containerResources().optional().describe('The container in which the tool of the database runs.'),
    })
    .optional()
    .describe('Left out, for each container: what the operator is configured to give.'),
});
