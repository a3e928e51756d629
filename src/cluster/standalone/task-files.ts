import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { link, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { layout } from '../../contract/layout.ts';
import { type Progress, progress } from '../../contract/progress.ts';
import { decodeReport, type Report } from '../../contract/report.ts';
import type { ObjectKey } from '../resource.ts';
import type { TaskSpec } from '../runner.ts';
import { makeDirectory, syncDirectory } from './durable.ts';
import { refuseBadKey } from './names.ts';
import { secretFile } from './secret-files.ts';

/**
 * A task's directory, `<home>/tasks/<namespace>/<name>`, is the task's root and its record. It appears whole, with
 * `spec.json` in it, by one rename; after that each of these appears once and never changes:
 * `leader.json` (the task has begun, or never will), `stop.json` (it was asked to end), `ended.json` (it is over).
 */
const intent = z.object({
  owner: z.object({ kind: z.string(), name: z.string(), uid: z.string() }),
  secrets: z.array(z.object({ mount: z.string(), secretName: z.string(), keys: z.record(z.string(), z.string()) })),
  runningMs: z.number(),
  /** Random: see `taskMark`. */
  mark: z.string(),
});
export type Intent = z.infer<typeof intent>;

const claim = z.union([
  z.object({ pid: z.number(), startTicks: z.string(), bootId: z.string() }),
  /** Stopped before it began: no leader can claim it any more. */
  z.object({ never: z.literal(true) }),
]);
export type Claim = z.infer<typeof claim>;

const stopped = z.object({ reason: z.enum(['deadline', 'request']), atMs: z.number() });
export type Stopped = z.infer<typeof stopped>;

const ended = z.object({ exitCode: z.number().optional() });
export type Ended = z.infer<typeof ended>;

export const rootOf = (tasks: string, key: ObjectKey): string => {
  refuseBadKey(key);
  return join(tasks, key.namespace, key.name);
};

export const agentLog = (root: string): string => join(root, 'agent.log');

/** Writes the intent unless one is there. Whoever is killed in the middle leaves a directory whose name begins with a dot. */
export async function prepare(tasks: string, secrets: string, spec: TaskSpec): Promise<void> {
  const root = rootOf(tasks, spec);
  if ((await readIntent(root)) !== undefined) return;
  await makeDirectory(dirname(root));
  const draft = join(dirname(root), `.${randomBytes(8).toString('hex')}`);
  const { apiVersion: _apiVersion, controller: _controller, ...owner } = spec.owner;
  const { runningMs } = spec;
  const record: Intent = { owner, secrets: spec.secrets, runningMs, mark: randomBytes(16).toString('hex') };
  try {
    for (const directory of ['', layout.work, layout.private, layout.secrets]) {
      await mkdir(join(draft, directory), { mode: 0o700 });
    }
    for (const { mount, secretName, keys } of spec.secrets) {
      await mkdir(join(draft, layout.secrets, mount), { recursive: true, mode: 0o700 });
      for (const [key, file] of Object.entries(keys)) {
        await symlink(secretFile(secrets, spec.namespace, secretName, key), join(draft, layout.secrets, mount, file));
      }
    }
    const options = { mode: 0o600, flush: true };
    await writeFile(join(draft, layout.task), JSON.stringify(spec.task(root)), options);
    await writeFile(join(draft, 'spec.json'), JSON.stringify(record), options);
    await syncDirectory(draft);
    await rename(draft, root);
    await syncDirectory(dirname(root));
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Somebody else was quicker: the task is there, and that is all that was asked for.
    if (['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) return;
    throw error;
  }
}

export const readIntent = (root: string): Promise<Intent | undefined> => readJson(join(root, 'spec.json'), intent);

/** A claim that a power cut left empty is one of a leader that died with the machine. */
const lostClaim: Claim = { pid: 0, startTicks: '', bootId: '' };

export async function readClaim(root: string): Promise<{ claim: Claim; atMs: number } | undefined> {
  const path = join(root, 'leader.json');
  const facts = await stat(path).catch(absent);
  return facts && { claim: (await readJson(path, claim)) ?? lostClaim, atMs: facts.mtimeMs };
}

export const readStopped = (root: string): Promise<Stopped | undefined> => readJson(join(root, 'stop.json'), stopped);

export const readEnded = (root: string): Promise<Ended | undefined> => readJson(join(root, 'ended.json'), ended);

export const readProgress = (root: string): Promise<Progress | undefined> =>
  readJson(join(root, layout.progress), progress);

export async function readReport(root: string): Promise<Report | undefined> {
  const text = await readText(join(root, layout.report));
  return text === undefined ? undefined : decodeReport(text);
}

/** Says the word once; the first one who says it wins. */
export const claimNever = (root: string): Promise<void> => once(root, 'leader.json', { never: true });
export const markStopped = (root: string, value: Stopped): Promise<void> => once(root, 'stop.json', value);
export const markEnded = (root: string, value: Ended): Promise<void> => once(root, 'ended.json', value);

/** FIFOs and secrets written for the tool: nothing of them outlives the task. */
export async function sweepRoot(root: string): Promise<void> {
  for (const directory of [layout.work, layout.private])
    await rm(join(root, directory), { recursive: true, force: true });
}

/** The task vanishes in one step, then its bytes go. */
export async function discard(root: string): Promise<void> {
  const trash = join(dirname(root), `.${randomBytes(8).toString('hex')}`);
  await rename(root, trash).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rm(trash, { recursive: true, force: true });
}

/** The tasks there are. */
export async function listTasks(tasks: string): Promise<ObjectKey[]> {
  const keys: ObjectKey[] = [];
  for (const namespace of await namesIn(tasks)) {
    for (const name of await namesIn(join(tasks, namespace))) if (!name.startsWith('.')) keys.push({ namespace, name });
  }
  return keys;
}

/** Drafts and trash of those who were killed. Only safe while nobody prepares or discards. */
export function sweepTasks(tasks: string): void {
  for (const entry of readdirSync(tasks, { withFileTypes: true })) {
    const directory = join(tasks, entry.name);
    const names = entry.isDirectory() ? readdirSync(directory) : [];
    for (const name of names) if (name.startsWith('.')) rmSync(join(directory, name), { recursive: true, force: true });
  }
}

async function namesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

async function once(root: string, name: string, value: object): Promise<void> {
  const draft = join(root, `${name}.${randomBytes(8).toString('hex')}`);
  await writeFile(draft, JSON.stringify(value), { mode: 0o600, flush: true });
  try {
    await link(draft, join(root, name));
    await syncDirectory(root);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** What does not parse was not written by us and says nothing. */
async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(absent);
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}
