import type { Readable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { ReadOptions } from '../store.ts';
import { ConnectionError, s3Fault } from './errors.ts';
import type { S3Requests } from './requests.ts';

// Counted only while we wait for bytes: a slow consumer is no fault of the store.
const idleMs = 60_000;

/**
 * Reads an object as one stream. A body that breaks, stalls or ends short is continued by a range request at the byte
 * where it broke, on the same version of the object; failures in a row without a new byte use up the tries.
 */
export async function* download(
  requests: S3Requests,
  clock: Clock,
  key: string,
  { offset = 0, length, signal }: ReadOptions,
): AsyncGenerator<Uint8Array> {
  if (length === 0) return;
  let at = offset;
  let end = length === undefined ? undefined : offset + length;
  let etag: string | undefined;
  let failures = 0;
  while (end === undefined || at < end) {
    const first = etag === undefined;
    const answer = await begin(requests, key, { at, end, etag, signal });
    if (answer === undefined) {
      if (first) return;
      throw new Fault('StoreFailed', `the object ended at byte ${at} of ${end}`, { where: requests.where(key) });
    }
    // The first answer knows the true end: the object may be shorter than what was asked for.
    if (first && answer.lengthBytes !== undefined) end = offset + answer.lengthBytes;
    etag ??= answer.etag ?? '';
    try {
      for await (const chunk of pulled(answer.body, clock, signal)) {
        at += chunk.length;
        failures = 0;
        yield chunk;
      }
      if (end === undefined || at >= end) break;
      throw new Fault('StoreFailed', `the object ended at byte ${at} of ${end}`, { where: requests.where(key) });
    } catch (thrown) {
      signal?.throwIfAborted();
      failures += 1;
      const broken = thrown instanceof Fault ? thrown : s3Fault(requests.where(key), new ConnectionError(thrown));
      await requests.retry.pauseAfterBreak('GetObject body', failures, broken, signal);
    }
  }
  if (end !== undefined && at > end) {
    throw new Fault('StoreFailed', `the store sent ${at - end} bytes too many`, { where: requests.where(key) });
  }
}

interface Position {
  at: number;
  end: number | undefined;
  etag: string | undefined;
  signal: AbortSignal | undefined;
}

async function begin(requests: S3Requests, key: string, { at, end, etag, signal }: Position) {
  const range = at === 0 && end === undefined ? undefined : `bytes=${at}-${end === undefined ? '' : end - 1}`;
  try {
    const answer = await requests.get(key, range, etag || undefined, signal);
    if (range !== undefined && at > 0 && answer.beginsAt !== at) {
      answer.body.destroy();
      throw new Fault('StoreFailed', `the store was asked for byte ${at} and sent others`, {
        where: requests.where(key),
      });
    }
    return answer;
  } catch (thrown) {
    // A range that begins at the end of the object or beyond it: nothing to read, as for a file.
    if ((thrown as { cause?: { name?: string } }).cause?.name === 'InvalidRange') return undefined;
    throw thrown;
  }
}

/** The chunks of a body; destroys it when it stalls, when the signal is aborted and when the reader leaves early. */
async function* pulled(body: Readable, clock: Clock, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const onAbort = (): void => {
    body.destroy(signal?.reason);
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  const chunks = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      signal?.throwIfAborted();
      const stalled = new Error(`no byte arrived for ${idleMs / 1000} s`);
      const cancel = clock.after(idleMs, () => body.destroy(stalled), { holdsProcess: false });
      const step = await chunks.next().finally(cancel);
      if (step.done) return;
      yield step.value;
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    body.destroy();
  }
}
