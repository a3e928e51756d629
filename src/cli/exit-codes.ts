/** The exit codes of the command line. Scripts rely on them: a code is never given another meaning; an unknown one means failure. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Whoever asked may not do it, or was not recognised. */
  notAllowed: 4,
  /** `backup` and `restore`: what they need is not so; nothing was begun. */
  refused: 6,
  /** The wait ended, the work goes on. */
  timedOut: 7,
  /** The wait was interrupted, the work goes on. As a shell has it: 128 and the number of SIGINT. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** For the documentation. */
export const exitCodeMeanings: Record<ExitCode, string> = {
  0: 'Succeeded. With `--wait`: every run and request of the command has succeeded. `status`: whatever it found.',
  1: 'Failed. With `--wait`: a run or request failed or was deleted. Also every error that has no code of its own.',
  2: 'The command line is wrong: an unknown word, a missing option, or two places at once. Nothing was done.',
  4: 'The cluster does not know who asks, or does not allow it; the message names the verb, the resource and the namespace. For a home: the rights on its files.',
  6: 'Refused by `backup` or `restore` before anything was begun: no such policy or run, a suspended policy, several databases and none named, no backup yet, a name that is taken.',
  7: '`--timeout` is over. The work goes on.',
  130: 'The wait was interrupted by Ctrl-C or TERM. The work goes on.',
};
