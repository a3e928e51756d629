import { type OperatorConfig, operatorConfig } from '../../api/operator-config.ts';
import type { Limits } from './line.ts';

/** The limits as the configuration gives them. */
export const limitsOf = ({ limits }: Pick<OperatorConfig, 'limits'>): Limits => ({
  runs: limits.concurrentRuns,
  runsPerStore: limits.concurrentRunsPerStore,
});

export const defaultLimits: Limits = limitsOf(operatorConfig.parse({}));
