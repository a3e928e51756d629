/** The exit codes of the command line. Scripts rely on them: a code is never given another meaning; an unknown one means failure. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  /** The wait ended, the work goes on. */
  timedOut: 7,
} as const;
