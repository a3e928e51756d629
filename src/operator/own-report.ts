import type { Observation } from '../cluster/runner.ts';

/**
 * What is seen of the task of the object with this `uid`. A task is found by its name, and an object that was forced away
 * leaves a task behind that a new one of the same name finds: the report of that one is none of this one's, and
 * how its own task ended is not known.
 */
export function withOwnReport(observation: Observation, uid: string): Observation {
  if (observation.state !== 'ended' || observation.report === undefined) return observation;
  const { report, ...rest } = observation;
  switch (report.outcome) {
    case 'backed-up':
      return report.set.runUid === uid ? observation : rest;
    case 'restored':
      return report.requestUid === uid ? observation : rest;
    default:
      return observation;
  }
}
