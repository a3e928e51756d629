import type { Clock } from '../base/clock.ts';
import { Fault, toFault } from '../base/fault.ts';
import type { Logger } from '../base/log.ts';
import type { Report } from '../contract/report.ts';
import type { Task } from '../contract/task.ts';
import type { Steps } from '../engine/engine.ts';
import { backUp } from './backup.ts';
import { inspect } from './inspect.ts';
import { ProgressWriter } from './progress.ts';
import { restore } from './restore.ts';
import { stepsOf } from './steps.ts';
import { TaskRoot } from './task-root.ts';
import type { VerbContext } from './verb.ts';
import { Work, type WorkTimes, workTimes } from './work.ts';

export interface AgentOptions {
  root: string;
  version: string;
  clock: Clock;
  log: Logger;
  /** Aborted when the process is asked to end. */
  signal: AbortSignal;
  times?: WorkTimes;
  /** Where a stream is cut into objects, in stored bytes: what a retry costs, and what a restore fetches on its own. */
  objectBytes?: number;
  /** The process that started this one; with another one in its place nobody waits for the task any more. */
  parentPid?: () => number;
}

/**
 * Does the one task of its root directory and says how it went in the report. The answer is the exit code: 0 when the
 * report says a success. Never throws: whatever happens becomes a report, and where not even that can be written, the
 * outcome is unknown to the operator, who then looks into the store.
 */
export async function runAgent(options: AgentOptions): Promise<number> {
  const { clock, log } = options;
  const root = new TaskRoot(options.root);
  const stop = new AbortController();
  const release = stopReasons(options, stop);
  let work: Work | undefined;
  const progress = new ProgressWriter(clock, log, (value) => root.writeProgress(value));
  let report: Report;
  try {
    const task = await root.readTask();
    release.push(
      clock.after(
        task.deadlineMs - clock.nowMs(),
        () => stop.abort(new Fault('DeadlineExceeded', 'the time for the task is over')),
        {
          holdsProcess: false,
        },
      ),
    );
    log.info({ verb: task.verb, object: task.object }, 'begin');
    const openSteps = async (): Promise<Steps> => {
      work = await Work.open(root.path('work'), clock, options.times ?? workTimes, stop.signal);
      return stepsOf(work, root.path('private'));
    };
    const { version, objectBytes = 1024 ** 3 } = options;
    report = await run(task, { root, clock, log, signal: stop.signal, progress, version, objectBytes, openSteps });
  } catch (thrown) {
    report = failureReport(causeOf(thrown, stop.signal));
    if (report.outcome === 'failed' && report.reason === 'Internal') log.error({ err: thrown }, 'unexpected');
  } finally {
    for (const each of release) each();
    await work?.close();
    await root.forgetPrivate();
    await progress.close();
  }
  log.info(report, 'end');
  await root.writeReport(report);
  return report.outcome === 'failed' || report.outcome === 'unknown' ? 1 : 0;
}

function run(task: Task, context: VerbContext): Promise<Report> {
  switch (task.verb) {
    case 'backup':
      return backUp(task, context);
    case 'inspect':
      return inspect(task, context);
    case 'restore':
      return restore(task, context);
  }
}

/** What an abort breaks on its way out is not why the task failed; a fault that was made of the abort's says more than that. */
function causeOf(thrown: unknown, { aborted, reason }: AbortSignal): unknown {
  return aborted && !(thrown instanceof Fault && thrown.cause === reason) ? reason : thrown;
}

function failureReport(thrown: unknown): Report {
  const { reason, sentence, hint } = toFault(thrown);
  return { outcome: 'failed', reason, message: sentence, hint };
}

/** Lets `stop` be aborted by the process's end signal and by the death of its parent; the answers undo that. */
function stopReasons({ signal, clock, parentPid = () => 0 }: AgentOptions, stop: AbortController): (() => void)[] {
  const asked = (): void => stop.abort(new Fault('Stopped', 'the task was asked to stop'));
  if (signal.aborted) asked();
  signal.addEventListener('abort', asked, { once: true });
  const parent = parentPid();
  let cancel = (): void => {};
  const look = (): void => {
    if (parentPid() !== parent) stop.abort(new Fault('Stopped', 'the process that led the task is gone'));
    else cancel = clock.after(1_000, look, { holdsProcess: false });
  };
  look();
  return [() => signal.removeEventListener('abort', asked), () => cancel()];
}
