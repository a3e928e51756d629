import { randomUUID } from 'node:crypto';
import type { CompletedPart } from '@aws-sdk/client-s3';
import { Fault } from '../../base/fault.ts';
import { abandon, cutIntoParts, nextPart, PartBuffers } from '../parts.ts';
import { partsInFlight, type WriteOptions } from '../store.ts';
import { Multipart } from './multipart.ts';
import type { S3Requests } from './requests.ts';

const mostParts = 10_000;

/**
 * Sends a stream as one object: a single PUT when it fits into one part, a multipart upload otherwise. At most
 * `partsInFlight` parts exist at a time, the one being filled included. Whatever fails cuts the requests under way, so
 * that no part arrives after the abort (it would stay, and be paid for), and aborts the upload in the store.
 */
export async function upload(
  requests: S3Requests,
  key: string,
  bytes: AsyncIterable<Uint8Array>,
  { onlyIfAbsent, signal, onProgress }: WriteOptions & { onlyIfAbsent: boolean },
): Promise<{ sizeBytes: number }> {
  const stop = new AbortController();
  const ends = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const multipart = new Multipart(requests);
  const writer = randomUUID();
  const buffers = new PartBuffers();
  const parts = cutIntoParts(bytes, buffers);
  const inFlight = new Set<Promise<void>>();
  const completed: CompletedPart[] = [];
  let uploadId: string | undefined;
  let sizeBytes = 0;

  const send = async (id: string, partNumber: number, body: Uint8Array): Promise<void> => {
    completed.push(await multipart.sendPart(key, id, partNumber, body, ends));
    sizeBytes += body.length;
    buffers.giveBack(body);
    onProgress?.(sizeBytes);
  };

  try {
    let count = 0;
    for (let last = false; !last; ) {
      while (inFlight.size >= partsInFlight) await Promise.race(inFlight);
      const part = await nextPart(parts, ends);
      if (part === undefined) break;
      last = part.last;
      count += 1;
      if (count === 1 && last) {
        const answer = await requests.put(key, part.body, { writer, onlyIfAbsent, signal: ends });
        onProgress?.(part.body.length);
        checkCreated(answer, requests.where(key));
        return { sizeBytes: part.body.length };
      }
      if (count > mostParts)
        throw new Fault('Internal', `an object needs more than ${mostParts} parts`, { where: key });
      uploadId ??= await multipart.begin(key, writer, ends);
      const sending: Promise<void> = send(uploadId, count, part.body)
        .catch((thrown: unknown) => stop.abort(thrown))
        .finally(() => inFlight.delete(sending));
      inFlight.add(sending);
    }
    await Promise.all(inFlight);
    ends.throwIfAborted();
    completed.sort((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0));
    const options = { writer, onlyIfAbsent, signal: ends };
    checkCreated(await multipart.complete(key, uploadId ?? '', completed, options), requests.where(key));
    return { sizeBytes };
  } catch (thrown) {
    abandon(parts);
    stop.abort(thrown);
    await Promise.all(inFlight);
    // Best effort: what stays behind is found later by abortStaleUploads.
    if (uploadId !== undefined) await multipart.abort(key, uploadId).catch(() => undefined);
    throw thrown;
  }
}

function checkCreated(answer: 'created' | 'exists', where: string): void {
  if (answer === 'created') return;
  throw new Fault('Internal', 'an object was to be written under a key that is taken', { where });
}
