import { timestamp } from '../base/clock.ts';
import { Fault, toFault } from '../base/fault.ts';
import { findSet } from '../catalog/catalog.ts';
import { collectGarbage } from '../catalog/collect-garbage.ts';
import { discardAttempt } from '../catalog/discard-attempt.ts';
import { type AttemptName, detailsKey, objectKey, type Packing } from '../catalog/layout.ts';
import { settleLineage } from '../catalog/lineages.ts';
import type { Manifest } from '../catalog/manifest.ts';
import { checkOwnership, claimOwnership, type Owner, type Ownership } from '../catalog/owner.ts';
import { openRepository } from '../catalog/repository.ts';
import { commitSet, newAttempt, writeIntent } from '../catalog/set.ts';
import type { Report } from '../contract/report.ts';
import type { BackupTask } from '../contract/task.ts';
import type { Dump, DumpDetails, Server } from '../engine/engine.ts';
import { engineOf } from '../engine/engines.ts';
import type { Store } from '../store/store.ts';
import type { Bytes } from '../stream/bytes.ts';
import { type EncodeOptions, encode } from '../stream/encode.ts';
import { fingerprint, parseRecipient } from '../stream/identity.ts';
import { metered } from '../stream/meter.ts';
import { encodeDetails } from './details.ts';
import { summaryOf } from './set-summary.ts';
import { accessOf, openTaskStore, type VerbContext } from './verb.ts';

/**
 * Dump -> compress -> encrypt -> digest -> store -> manifest. Until the manifest is in the store there is no backup, and
 * whatever fails before it takes away what this attempt wrote. A run that has its manifest already is done: nothing
 * is dumped again, whoever made it.
 */
export async function backUp(task: BackupTask, context: VerbContext): Promise<Report> {
  const { signal, clock, progress } = context;
  progress.step('connect');
  const recipients = task.recipients.map((recipient) => parseRecipient(recipient, 'spec.encryption.age.recipients'));
  const store = await openTaskStore(task.store, context);
  try {
    const done = await findSet(store, task.runUid, signal);
    if (done !== undefined) return { outcome: 'backed-up', set: summaryOf(done) };
    // Before the first byte is written: most of what can be wrong is wrong here.
    const server = await engineOf(task.server.engine).connect(
      await accessOf(task.server, task.object, context),
      signal,
    );
    try {
      progress.step('prepare');
      const nowMs = clock.nowMs();
      const repository = await openRepository(store, nowMs, signal);
      await claim(store, task, nowMs, signal);
      const lineage = await settleLineage(store, server.facts, {
        repositoryId: repository.repositoryId,
        nowMs,
        signal,
      });
      const attempt = { lineage, runUid: task.runUid, attempt: newAttempt() };
      return await attemptBackup(task, { ...context, store, server, attempt, recipients, startedAtMs: nowMs });
    } finally {
      await server.close();
    }
  } finally {
    await store.close();
  }
}

interface AttemptContext extends VerbContext {
  store: Store;
  server: Server;
  attempt: AttemptName;
  recipients: string[];
  startedAtMs: number;
}

async function attemptBackup(task: BackupTask, context: AttemptContext): Promise<Report> {
  const { store, server, attempt, signal, clock, progress, log, startedAtMs } = context;
  const { deadlineMs } = task;
  const steps = await context.openSteps();
  let keepsObjects = false;
  await writeIntent(store, attempt, { startedAtMs, deadlineMs }, signal);
  try {
    progress.step('dump');
    const dump = await server.dump({ database: task.dump.database }, steps, signal);
    try {
      const manifest = await packDump(dump, task, context);
      progress.step('commit');
      // A dump takes hours, and another cluster may have taken the repository over meanwhile.
      refuseForeign(await checkOwnership(store, task.owner, signal));
      const commit = await commitSet(store, manifest, { nowMs: clock.nowMs(), deadlineMs, signal });
      // It threw when there is no manifest for sure; else one may name these objects, whatever fails from here on.
      keepsObjects = true;
      if (commit.verdict === 'unknown') {
        const { sentence } = toFault(commit.cause);
        return { outcome: 'unknown', message: `the answer to the write of the manifest is lost: ${sentence}` };
      }
      const { verdict, set } = commit;
      if (verdict === 'lost') {
        log.info({ winner: set.manifest.attempt }, 'another attempt was first: its backup is the backup');
        return { outcome: 'backed-up', set: summaryOf(set) };
      }
      progress.step('clean');
      // The backup is safe already: what is left over can wait for the next run.
      await collectGarbage(store, clock.nowMs(), signal).catch((err) => log.warn({ err }, 'garbage stays for now'));
      return { outcome: 'backed-up', set: summaryOf(set) };
    } finally {
      await dump.close();
    }
  } catch (thrown) {
    if (!keepsObjects) {
      await discardAttempt(store, attempt).catch((err) =>
        log.warn({ err }, 'the attempt is left to garbage collection'),
      );
    }
    throw thrown;
  }
}

/** Writes the dump's objects and the details, and makes the manifest that names them. */
async function packDump(dump: Dump, task: BackupTask, context: AttemptContext): Promise<Manifest> {
  const { store, attempt, signal, progress, recipients, server, clock, objectBytes } = context;
  const { algorithm, level } = task.compression;
  const options: EncodeOptions = {
    compression: algorithm === 'None' ? { algorithm } : { algorithm, level },
    encryption: recipients.length === 0 ? { algorithm: 'None' } : { algorithm: 'Age', recipients },
    objectBytes,
    sourceChunks: 'Free',
    signal,
  };
  const packing: Packing = { compression: algorithm, encrypted: recipients.length > 0 };
  const objects: Manifest['objects'] = [];
  let storedBytes = 0;
  for await (const object of encode(metered(dump.bytes, progress.plain), options)) {
    const key = objectKey(attempt, 'dump', objects.length + 1, dump.extension, packing);
    await store.write(key, object.bytes, {
      signal,
      onProgress: (sentBytes) => progress.stored(storedBytes + sentBytes),
    });
    const { plain, stored } = await object.result;
    storedBytes += stored.bytes;
    objects.push({ part: 'dump', ...packedAs(key, plain, stored) });
  }
  const { toolVersion, consistentAtMs, position, details } = await dump.result;
  progress.step('details');
  const [detailsRecord] = await writeDetails(store, detailsKey(attempt, packing), details, options);
  return {
    formatVersion: 1,
    runUid: attempt.runUid,
    attempt: attempt.attempt,
    lineage: attempt.lineage,
    engine: server.facts.engine,
    serverVersion: server.facts.version,
    method: task.method,
    type: 'Full',
    parent: null,
    position,
    consistentAt: timestamp(consistentAtMs),
    startedAt: timestamp(context.startedAtMs),
    completedAt: timestamp(clock.nowMs()),
    compression: { algorithm, level },
    encryption: recipients.length === 0 ? null : { format: 'age', recipients: recipients.map(fingerprint) },
    objects,
    details: detailsRecord,
    totals: {
      objectCount: objects.length,
      plainBytes: objects.reduce((sum, { plainBytes }) => sum + plainBytes, 0),
      storedBytes,
      tableCount: details.tables.length,
      rowCount: details.tables.reduce((sum, { rows }) => sum + rows, 0),
    },
    tools: { [dump.tool]: toolVersion },
    agentVersion: context.version,
  };
}

async function writeDetails(store: Store, key: string, details: DumpDetails, options: EncodeOptions) {
  const records: Manifest['details'][] = [];
  for await (const object of encode(once(encodeDetails(details)), { ...options, sourceChunks: 'Keep' })) {
    await store.write(key, object.bytes, options.signal === undefined ? {} : { signal: options.signal });
    const { plain, stored } = await object.result;
    records.push(packedAs(key, plain, stored));
  }
  return records as [Manifest['details']];
}

type Digested = { bytes: number; sha256: string };

const packedAs = (key: string, plain: Digested, stored: Digested): Manifest['details'] => ({
  key,
  plainBytes: plain.bytes,
  plainSha256: plain.sha256,
  storedBytes: stored.bytes,
  storedSha256: stored.sha256,
});

async function claim(store: Store, task: BackupTask, nowMs: number, signal: AbortSignal): Promise<void> {
  const takeover = task.takeover ? task.runUid : undefined;
  refuseForeign(await claimOwnership(store, task.owner, { takeover, nowMs, signal }));
}

function refuseForeign(ownership: Ownership): void {
  if (ownership.verdict === 'owned') return;
  const { clusterId, namespace, policy }: Owner = ownership.owner;
  throw new Fault('ReadOnly', `the repository belongs to policy ${namespace}/${policy} of cluster ${clusterId}`);
}

async function* once(bytes: Uint8Array): Bytes {
  yield bytes;
}
