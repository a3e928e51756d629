import { parse } from 'yaml';
import { z } from 'zod';
import { Fault } from '../base/fault.ts';
import { duration, image, objectName } from './field.ts';
import { containerResources } from './job-settings.ts';
import { parseAs } from './parse.ts';

const httpPort = z
  .int()
  .min(0)
  .max(65535)
  .default(8080)
  .describe('TCP port of the probes and the metrics: /healthz, /readyz, /metrics. 0: any that is free.');

const silenceLimit = duration(
  '15m',
  'How long nothing may be heard of a kind before /healthz fails and the pod is started anew.',
  '1d',
);

const leaderElection = z.strictObject({
  enabled: z.boolean().default(false).describe('Only the holder of the lease works; the others wait for it.'),
  namespace: objectName().default('default').describe('Where the lease lies.'),
  name: objectName().default('backstay').describe('Name of the lease.'),
  leaseDuration: duration(
    '15s',
    'How long the others wait after the last sign of life before they take the lease.',
    '1h',
  ),
  renewDeadline: duration(
    '10s',
    'How long the holder goes on without having renewed; shorter than leaseDuration.',
    '1h',
  ),
  retryPeriod: duration('2s', 'The pause between two tries to get or renew the lease.', '1h'),
});

const timings = z.strictObject({
  recheck: duration('5s', 'How often a task is looked at although nothing was heard of it.', '1d'),
  turn: duration(
    '30s',
    'How often an object that waits for its turn is looked at although nothing made room for it; far back in line up to 20 times as long.',
    '1h',
  ),
  progress: duration('10s', 'How often at most the progress of a task is written into the status.', '1d'),
  reference: duration('10m', 'How long an object that is named and not there is waited for.', '1d'),
  retryOnce: duration('5s', 'The pause before the second attempt after an accident.', '1d'),
  retryBackoff: duration('30s', 'The pause before the second attempt after a failure that heals by itself.', '1d'),
  inspectAgain: duration('30s', 'The pause before the store is looked into again; grows with each try.', '1d'),
  giveUp: duration('10m', 'How long a deleted object is held back by a task that does not end.', '1d'),
  grace: duration('30s', 'How long a task may tidy up when it is stopped before it is killed.', '1d'),
  unconfirmed: duration('1m', 'How long after that a pod is given up whose node does not confirm its end.', '1d'),
  keepFinished: duration('7d', 'How long a Job stays that nobody removed: the operator may have been away.', '30d'),
  shutdown: duration(
    '20s',
    'How long at most the end of running work is waited for when the process is stopped.',
    '1d',
  ),
});

const jobs = z.strictObject({
  serviceAccountName: objectName()
    .optional()
    .describe(
      'ServiceAccount of the pods of tasks, in the namespace of each. Its token is never mounted. Left out: the one called default.',
    ),
  allowedImages: z
    .array(z.string().min(1).max(512))
    .default([])
    .describe(
      'Images that tools may come from; none: every image. An entry is an image, with or without tag; `*` in it stands ' +
        'for any text: postgres, postgres:18, registry.example.com/db/*. Short names are those of docker.io. An entry with ' +
        'a tag never fits an image by digest, such as the one that is taken from target.workload: name that one without a tag.',
    ),
  agentResources: containerResources()
    .default({ requests: { cpu: '100m', memory: '256Mi' } })
    .describe('Resources of the container that moves the bytes, where the policy says nothing else.'),
  toolResources: containerResources()
    .default({ requests: { cpu: '100m', memory: '64Mi' } })
    .describe('Resources of the container with the tool of the database, where the policy says nothing else.'),
});

const limit = (most: string, byDefault: number) => z.int().min(0).max(100_000).default(byDefault).describe(most);

const limits = z.strictObject({
  concurrentRuns: limit(
    'How many BackupRuns work at the same time; the others wait, the oldest goes first. Restores are not counted. 0: no limit.',
    20,
  ),
  concurrentRunsPerStore: limit(
    'The same for each place that backups go to: a bucket of an endpoint, or a volume claim. 0: no limit.',
    10,
  ),
});

/** What `backstay operator --config FILE` reads. */
export const operatorConfig = z.strictObject({
  image: image('The image of Backstay that Jobs run; the same as the operator itself.').optional(),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('How much is logged.'),
  namespaces: z
    .array(objectName())
    .default([])
    .describe('Namespaces that are looked after; none: all of them. With names, rights in these are enough.'),
  leaderElection: leaderElection.prefault({}).describe('For more than one replica.'),
  http: z.strictObject({ port: httpPort, silenceLimit }).prefault({}).describe('Probes and metrics.'),
  jobs: jobs.prefault({}).describe('The pods of tasks.'),
  limits: limits.prefault({}).describe('How much is done at once.'),
  timings: timings.prefault({}).describe('Every pause of the operator.'),
});
export type OperatorConfig = z.output<typeof operatorConfig>;

/**
 * The configuration in a YAML text; `file` is for messages. Throws SpecInvalid that names the field, what was expected
 * there, and for an unknown field the name that was most likely meant.
 */
export function parseOperatorConfig(text: string, file: string): OperatorConfig {
  const config = parseAs(operatorConfig, readYaml(text, file), {
    root: 'config',
    what: 'the configuration of the operator',
    hint: (where) => `See docs/spec/operator/configuration.md for what ${where} may be.`,
  });
  return config;
}

function readYaml(text: string, file: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0 }) ?? {};
  } catch (cause) {
    throw new Fault('SpecInvalid', `this is not YAML: ${(cause as Error).message}`, {
      where: file,
      hint: 'Correct the text at that place.',
      cause,
    });
  }
}
