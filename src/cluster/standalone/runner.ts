import { spawn } from 'node:child_process';
import { copyFile, open, stat, truncate } from 'node:fs/promises';
import { type Clock, sleep } from '../../base/clock.ts';
import { describeDuration } from '../../base/duration.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { toolLoop } from '../../contract/tool-loop.ts';
import { ObjectsError } from '../objects.ts';
import type { ObjectKey } from '../resource.ts';
import type { Observation, Runner, TaskSpec } from '../runner.ts';
import type { Home } from './home.ts';
import { leader } from './leader.ts';
import { isAlive, processesOf, signal, taskMark } from './processes.ts';
import { missingSecret, refuseBadNames } from './secret-files.ts';
import {
  agentLog,
  type Claim,
  claimNever,
  discard,
  type Ended,
  type Intent,
  listTasks,
  markEnded,
  markStopped,
  prepare,
  readClaim,
  readEnded,
  readIntent,
  readProgress,
  readReport,
  readStopped,
  rootOf,
  type Stopped,
  sweepRoot,
} from './task-files.ts';

export interface RunnerOptions {
  home: Home;
  clock: Clock;
  log: Logger;
  /** Program and first arguments of the agent; `agent --root DIR` follows. */
  agentCommand: string[];
  /** PATH of the tasks; `toolsDirectory`, when given, comes first. */
  path: string;
  toolsDirectory?: string;
  /** From TERM to KILL. */
  graceMs?: number;
  /** How often `watch` looks at the tasks. */
  lookMs?: number;
  /** Says whether the object that a task belongs to is there; the task of one that is not goes, as in a cluster. */
  ownerExists?: (owner: Intent['owner'], namespace: string) => Promise<boolean>;
}

/** After this a leader that was started and never claimed its task is taken for dead, and another one is started. */
const relaunchMs = 5_000;
const logLimitBytes = 8 * 1024 * 1024;

/**
 * Tasks as detached process groups of this machine. Everything that is known about a task lies in its directory, so a
 * runner that was killed, and the next one, and a second one beside it, all see the same.
 *
 * Deadlines, grace times and what a dead leader left behind are dealt with whenever a task is observed; `watch`
 * observes them all.
 */
export function createRunner(options: RunnerOptions): Runner {
  const { home, clock, log, graceMs = 20_000, lookMs = 500 } = options;
  const launchedAtMs = new Map<string, number>();
  const inOrder = createOrder();

  async function launch(root: string, { mark }: Intent): Promise<void> {
    const nowMs = clock.nowMs();
    if (nowMs - (launchedAtMs.get(root) ?? Number.NEGATIVE_INFINITY) < relaunchMs) return;
    launchedAtMs.set(root, nowMs);
    const output = await open(agentLog(root), 'a', 0o600);
    try {
      await spawnLeader(options, root, mark, output.fd);
    } finally {
      await output.close();
    }
  }

  async function observe(key: ObjectKey): Promise<Observation> {
    const root = rootOf(home.tasks, key);
    const intent = await readIntent(root);
    if (intent === undefined) return { state: 'absent' };
    const found = await readClaim(root);
    if (found === undefined) {
      const message = await missingSecret(home.secrets, key.namespace, intent.secrets);
      if (message !== undefined) return { state: 'starting', waitingFor: { reason: 'SecretMissing', message } };
      await launch(root, intent);
      return { state: 'starting' };
    }
    launchedAtMs.delete(root);
    const over = (await readEnded(root)) ?? (await endWhatIsDead(root, intent, found.claim));
    if (over !== undefined) {
      const report = await readReport(root);
      const detail = describeEnd(over, await readStopped(root), intent, found.claim);
      return report === undefined ? { state: 'ended', detail } : { state: 'ended', report, detail };
    }
    await enforce(root, intent, found.claim, found.atMs);
    await limitLog(agentLog(root));
    const progress = await readProgress(root);
    return progress === undefined ? { state: 'running' } : { state: 'running', progress };
  }

  async function enforce(root: string, intent: Intent, claim: Claim, startedMs: number): Promise<void> {
    const nowMs = clock.nowMs();
    const stopped = await readStopped(root);
    if (stopped === undefined && nowMs >= startedMs + intent.runningMs) await askToEnd(root, claim, 'deadline');
    if (stopped !== undefined && nowMs >= stopped.atMs + graceMs) await killAll(root, intent, claim, clock);
  }

  async function askToEnd(root: string, claim: Claim, reason: Stopped['reason']): Promise<void> {
    await markStopped(root, { reason, atMs: clock.nowMs() });
    if ('pid' in claim && (await isAlive(claim))) signal(claim.pid, 'SIGTERM');
  }

  async function endWhatIsDead(root: string, intent: Intent, claim: Claim): Promise<Ended | undefined> {
    if ('pid' in claim && (await isAlive(claim))) return undefined;
    // It may have ended in good order between two looks: then the word it wrote counts.
    const word = await readEnded(root);
    if (word !== undefined) return word;
    await killAll(root, intent, claim, clock);
    await sweepRoot(root);
    await markEnded(root, {});
    return readEnded(root);
  }

  async function stop(key: ObjectKey): Promise<void> {
    const root = rootOf(home.tasks, key);
    if ((await readIntent(root)) === undefined || (await readEnded(root)) !== undefined) return;
    if ((await readClaim(root)) === undefined) await claimNever(root);
    const found = await readClaim(root);
    if (found !== undefined) await askToEnd(root, found.claim, 'request');
  }

  async function remove(key: ObjectKey): Promise<void> {
    const root = rootOf(home.tasks, key);
    await stop(key);
    while ((await observe(key)).state === 'running') await sleep(clock, 20);
    await discard(root);
    launchedAtMs.delete(root);
  }

  async function removeAbandoned(key: ObjectKey): Promise<void> {
    const intent = await readIntent(rootOf(home.tasks, key));
    if (intent === undefined || options.ownerExists === undefined) return;
    if (!(await options.ownerExists(intent.owner, key.namespace))) await inOrder(key, () => remove(key));
  }

  return {
    async start(spec) {
      refuseWhatHasNoMeaning(spec);
      refuseBadNames(spec.secrets);
      await inOrder(spec, async () => {
        await prepare(home.tasks, home.secrets, spec);
        await observe(spec);
      });
    },
    observe: (key) => inOrder(key, () => observe(key)),
    stop: (key) => inOrder(key, () => stop(key)),
    remove: (key) => inOrder(key, () => remove(key)),
    async watch(onChange, signal) {
      const seen = new Map<string, string>();
      const look = async (): Promise<void> => {
        for (const key of await listTasks(home.tasks)) {
          if (signal.aborted) return;
          const word = `${key.namespace}/${key.name}`;
          const state = JSON.stringify(await inOrder(key, () => observe(key)));
          if (seen.get(word) !== state) onChange(key);
          seen.set(word, state);
          await removeAbandoned(key);
        }
      };
      await look();
      void repeat(look, { clock, everyMs: lookMs, signal, log });
    },
  };
}

function refuseWhatHasNoMeaning({ tool, volumes }: TaskSpec): void {
  if (tool?.image !== undefined) {
    throw new Fault('NotSupportedHere', `tool.image has no meaning in standalone: ${tool.image}`, {
      hint: 'Remove the image: the tools of this machine are used.',
    });
  }
  const [volume] = volumes;
  if (volume === undefined) return;
  throw new Fault('NotSupportedHere', `volumes have no meaning in standalone: claim ${volume.claimName}`, {
    hint: 'Name a directory of this machine with path.',
  });
}

function spawnLeader(options: RunnerOptions, root: string, mark: string, output: number): Promise<void> {
  const { agentCommand, path, toolsDirectory } = options;
  const args = ['-c', leader, 'backstay-task', root, toolLoop, ...agentCommand];
  const child = spawn('/bin/sh', args, {
    cwd: root,
    // A session of its own: neither a signal to our group nor the end of our terminal reaches it.
    detached: true,
    stdio: ['ignore', output, output],
    env: {
      PATH: toolsDirectory === undefined ? path : `${toolsDirectory}:${path}`,
      HOME: root,
      LANG: 'C.UTF-8',
      // As in the image: with an arena for every thread, glibc keeps a tenth of the agent's memory for nothing.
      MALLOC_ARENA_MAX: '2',
      [taskMark]: mark,
    },
  });
  child.unref();
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) =>
      reject(new ObjectsError('Unavailable', `no process for ${root}: ${error.message}`, { cause: error })),
    );
  });
}

/** Kills until none is left: one that was just being born is missed by a single round. */
async function killAll(root: string, { mark }: Intent, claim: Claim, clock: Clock): Promise<void> {
  const leaderPid = 'pid' in claim ? claim.pid : undefined;
  for (;;) {
    const pids = await processesOf({ mark, root, leaderPid });
    if (pids.length === 0) return;
    for (const pid of pids) signal(pid, 'SIGKILL');
    await sleep(clock, 5);
  }
}

function describeEnd({ exitCode }: Ended, stopped: Stopped | undefined, intent: Intent, claim: Claim): string {
  const how = exitCode === undefined ? 'its processes were killed' : `the agent ended with exit code ${exitCode}`;
  if (stopped?.reason === 'deadline') {
    return `stopped at its deadline of ${describeDuration(intent.runningMs)}; ${how}`;
  }
  if ('never' in claim) return 'stopped before it began';
  return stopped === undefined ? how : `stopped on request; ${how}`;
}

/** The agent appends, so a file that is emptied under it starts anew; the newest 8 to 16 MiB are kept. */
async function limitLog(path: string): Promise<void> {
  const facts = await stat(path).catch(() => undefined);
  if (facts === undefined || facts.size <= logLimitBytes) return;
  await copyFile(path, `${path}.1`);
  await truncate(path, 0);
}

/** One call at a time for each task of this process: an observation must not start what a removal takes away. */
function createOrder(): <T>(key: ObjectKey, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const word = `${key.namespace}/${key.name}`;
    const result = (last.get(word) ?? Promise.resolve()).then(work);
    const settled = result
      .catch(() => undefined)
      .then(() => {
        if (last.get(word) === settled) last.delete(word);
      });
    last.set(word, settled);
    return result;
  };
}

async function repeat(
  work: () => Promise<void>,
  { clock, everyMs, signal, log }: { clock: Clock; everyMs: number; signal: AbortSignal; log: Logger },
): Promise<void> {
  while (!signal.aborted) {
    await sleep(clock, everyMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    await work().catch((error) => log.warn({ err: error }, 'a look at the tasks failed; the next one will do'));
  }
}
