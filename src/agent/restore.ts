import { Fault, toFault } from '../base/fault.ts';
import { type FoundSet, findSet } from '../catalog/catalog.ts';
import type { Manifest } from '../catalog/manifest.ts';
import { verifySetPresence } from '../catalog/set.ts';
import type { Report } from '../contract/report.ts';
import type { RestoreTask } from '../contract/task.ts';
import type { CheckResult, DumpDetails, Server } from '../engine/engine.ts';
import { engineOf } from '../engine/engines.ts';
import type { Store } from '../store/store.ts';
import { type DecodeOptions, type Decryption, decode, type StoredObject } from '../stream/decode.ts';
import { fingerprint, parseIdentities } from '../stream/identity.ts';
import { metered } from '../stream/meter.ts';
import { decodeDetails } from './details.ts';
import { accessOf, openTaskStore, type VerbContext } from './verb.ts';

/**
 * Brings a dump back into an empty database. Everything is checked before anything is touched: the manifest is the one
 * that the run's status names, every object is there with its size, the key opens it, the target is empty and fits. Then
 * one transaction, which cannot end before the last digest agreed; then the comparison with what the backup held.
 */
export async function restore(task: RestoreTask, context: VerbContext): Promise<Report> {
  const { signal, clock, progress } = context;
  const startedMs = clock.nowMs();
  progress.step('check');
  const store = await openTaskStore(task.store, context);
  try {
    const { manifest } = await findTaskSet(store, task, signal);
    const options: DecodeOptions = {
      compression: manifest.compression,
      encryption: await decryptionFor(manifest, task, context),
      signal,
    };
    await verifySetPresence(store, manifest, signal);
    const details = await readDetails(store, manifest, options);
    const server = await engineOf(task.server.engine).connect(
      await accessOf(task.server, task.object, context),
      signal,
    );
    try {
      const { database } = task;
      await server.checkTarget({ database, details }, signal);
      const steps = await context.openSteps();
      progress.step('replay');
      progress.total(manifest.totals.plainBytes);
      const begun: PackedObject[] = [];
      const objects = storedObjects(store, manifest.objects, signal, (object) => begun.push(object));
      const bytes = metered(decode(objects, options), progress.plain);
      try {
        await server.restore({ database }, bytes, steps, signal);
      } catch (thrown) {
        if (thrown instanceof Fault && thrown.reason === 'ToolFailed') await verifyLast(store, begun, options);
        throw thrown;
      }
      progress.step('compare');
      const counts = await compareRestored(server, { database, details }, signal);
      const durationMs = clock.nowMs() - startedMs;
      return {
        outcome: 'restored',
        requestUid: task.requestUid,
        restore: { bytes: manifest.totals.plainBytes, ...counts, durationMs },
      };
    } finally {
      await server.close();
    }
  } finally {
    await store.close();
  }
}

/**
 * The data is in for good by now. Whatever keeps it from being compared must say so: the same reason from any step before
 * means that the target is as empty as it was.
 */
async function compareRestored(
  server: Server,
  restored: { database: string; details: DumpDetails },
  signal: AbortSignal,
): Promise<CheckResult> {
  try {
    return await server.check(restored, signal);
  } catch (thrown) {
    const cause = signal.aborted ? signal.reason : thrown;
    const { reason, sentence, hint } = toFault(cause);
    if (reason === 'CheckFailed') throw thrown;
    throw new Fault(reason, `restored, but not compared: ${sentence}`, {
      hint: `${hint} The database is full: make a new empty one for another request, or compare this one by hand.`,
      cause,
    });
  }
}

async function findTaskSet(store: Store, task: RestoreTask, signal: AbortSignal): Promise<FoundSet> {
  const found = await findSet(store, task.runUid, signal);
  if (found === undefined) throw new Fault('BackupMissing', `the store holds no backup of the run ${task.runUid}`);
  if (found.sha256 === task.manifestSha256) return found;
  throw new Fault('DataCorrupt', 'the manifest in the store is not the one that the run wrote', { where: found.key });
}

async function decryptionFor(manifest: Manifest, task: RestoreTask, { root }: VerbContext): Promise<Decryption> {
  if (manifest.encryption === null) return { algorithm: 'None' };
  if (task.identity === undefined)
    throw new Fault('IdentityNotHere', 'the backup is encrypted and no identity was given');
  const { mount, key } = task.identity;
  const identities = await parseIdentities(await root.readSecret(task.identity), `secret ${mount}, key ${key}`);
  const wanted = manifest.encryption.recipients;
  if (!identities.some(({ recipient }) => wanted.includes(fingerprint(recipient)))) {
    const given = identities.map(({ recipient }) => recipient).join(', ');
    throw new Fault('WrongKey', `the backup is not encrypted for ${given}`, {
      where: `fingerprints of its recipients: ${wanted.join(', ')}`,
    });
  }
  return { algorithm: 'Age', identities };
}

async function readDetails(store: Store, manifest: Manifest, options: DecodeOptions): Promise<DumpDetails> {
  const chunks: Uint8Array[] = [];
  const object = storedObjects(store, [manifest.details], options.signal);
  for await (const chunk of decode(object, options)) chunks.push(chunk);
  return decodeDetails(Buffer.concat(chunks), manifest.details.key);
}

type PackedObject = Manifest['details'];

/**
 * A tool that is fed a damaged object may stumble over it before the last bytes, which wait for the digests. Reads the
 * object that was under way to its end and throws DataCorrupt when it, and not the tool, is to blame.
 */
async function verifyLast(store: Store, begun: readonly PackedObject[], options: DecodeOptions): Promise<void> {
  for await (const _ of decode(storedObjects(store, begun.slice(-1), options.signal), options));
}

async function* storedObjects(
  store: Store,
  packed: readonly PackedObject[],
  signal: AbortSignal | undefined,
  onBegin: (object: PackedObject) => void = () => {},
): AsyncGenerator<StoredObject> {
  for (const object of packed) {
    const { key, plainBytes, plainSha256, storedBytes, storedSha256 } = object;
    onBegin(object);
    const bytes = readPresent(store, key, signal);
    const expected = {
      plain: { bytes: plainBytes, sha256: plainSha256 },
      stored: { bytes: storedBytes, sha256: storedSha256 },
    };
    yield { name: key, bytes, expected };
  }
}

/** An object that was there when the set was checked: when it is gone now, the set is damaged, and not an unknown one. */
async function* readPresent(store: Store, key: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  try {
    yield* store.read(key, signal === undefined ? {} : { signal });
  } catch (cause) {
    if (!(cause instanceof Fault && cause.reason === 'BackupMissing')) throw cause;
    throw new Fault('DataCorrupt', 'an object of the backup vanished while it was restored', { where: key, cause });
  }
}
