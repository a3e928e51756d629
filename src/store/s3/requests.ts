import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { Retry } from '../retry.ts';
import { createClient, type S3Config } from './client.ts';
import { mayHeal, RequestDeadline, s3Fault, statusOf } from './errors.ts';

// A part of 8 MiB gets through in this time at 70 KB/s; anything slower is as good as down.
const uploadDeadlineMs = 120_000;
const requestDeadlineMs = 30_000;

/** Which write an object is from: with it a writer that lost an answer finds out whether it won. */
const writerTag = 'backstay-writer';

/**
 * Single requests to one bucket, each with a deadline and repeated while it may heal. All bodies are buffers, so that a
 * repeated request sends the same bytes. Keys here are whole keys, the configured prefix included.
 */
export class S3Requests {
  readonly bucket: string;
  readonly retry: Retry;
  readonly #clock: Clock;
  readonly #client: S3Client;
  readonly close: () => void;
  #bucketSeen = false;

  constructor(config: S3Config, { clock, log }: { clock: Clock; log?: Logger }) {
    const { client, close } = createClient(config);
    this.bucket = config.bucket;
    this.close = close;
    this.#client = client;
    this.#clock = clock;
    this.retry = new Retry({ clock, log, mayHeal });
  }

  /**
   * Puts an object. With `onlyIfAbsent` it answers `exists` when the key is taken, unless the object there carries the
   * same `writer`: then an earlier try of this very request had won and its answer was lost.
   */
  async put(
    key: string,
    body: Uint8Array,
    options: { writer: string; onlyIfAbsent: boolean; signal?: AbortSignal | undefined },
  ): Promise<'created' | 'exists'> {
    const { writer, onlyIfAbsent, signal } = options;
    let tries = 0;
    const answer = await this.run(
      'PutObject',
      key,
      async (abortSignal) => {
        tries += 1;
        const condition = onlyIfAbsent ? { IfNoneMatch: '*' } : {};
        const input = { Bucket: this.bucket, Key: key, Body: body, Metadata: { [writerTag]: writer }, ...condition };
        try {
          await this.#client.send(new PutObjectCommand(input), { abortSignal });
          return 'created';
        } catch (thrown) {
          if (onlyIfAbsent && statusOf(thrown) === 412) return 'exists';
          throw thrown;
        }
      },
      { signal, deadlineMs: uploadDeadlineMs },
    );
    const mayBeOurs = answer === 'exists' && tries > 1;
    return mayBeOurs && (await this.head(key, signal))?.writer === writer ? 'created' : answer;
  }

  async head(
    key: string,
    signal?: AbortSignal,
  ): Promise<{ sizeBytes: number; writer: string | undefined } | undefined> {
    return this.run(
      'HeadObject',
      key,
      async (abortSignal) => {
        try {
          const found = await this.#client.send(new HeadObjectCommand({ Bucket: this.bucket, Key: key }), {
            abortSignal,
          });
          return { sizeBytes: found.ContentLength ?? 0, writer: found.Metadata?.[writerTag] };
        } catch (thrown) {
          if (statusOf(thrown) !== 404) throw thrown;
          await this.#checkBucket(abortSignal);
          return undefined;
        }
      },
      { signal },
    );
  }

  /** Begins one GET; the body is not read yet. `etag` makes sure that it is still the object that was begun with. */
  async get(key: string, range: string | undefined, etag: string | undefined, signal?: AbortSignal) {
    return this.run(
      'GetObject',
      key,
      async (abortSignal) => {
        const conditions = {
          ...(range === undefined ? {} : { Range: range }),
          ...(etag === undefined ? {} : { IfMatch: etag }),
        };
        const input = { Bucket: this.bucket, Key: key, ...conditions };
        const answer = await this.#client.send(new GetObjectCommand(input), { abortSignal });
        const beginsAt = Number(/^bytes ([0-9]+)-/.exec(answer.ContentRange ?? '')?.[1] ?? 0);
        return { body: answer.Body as Readable, beginsAt, lengthBytes: answer.ContentLength, etag: answer.ETag };
      },
      { signal },
    );
  }

  async listPage(
    prefix: string,
    options: { delimiter?: string; token?: string | undefined; signal?: AbortSignal | undefined },
  ) {
    const { delimiter, token, signal } = options;
    const input = {
      Bucket: this.bucket,
      Prefix: prefix,
      ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
      ...(token === undefined ? {} : { ContinuationToken: token }),
    };
    return this.run(
      'ListObjectsV2',
      prefix,
      (abortSignal) => this.#client.send(new ListObjectsV2Command(input), { abortSignal }),
      { signal },
    );
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    const input = { Bucket: this.bucket, Key: key };
    await this.run(
      'DeleteObject',
      key,
      (abortSignal) => this.#client.send(new DeleteObjectCommand(input), { abortSignal }),
      {
        signal,
      },
    );
  }

  /** Begins a multipart upload. An upload of ours whose id was lost with an answer is aborted: it would be paid for ever. */
  async beginUpload(key: string, writer: string, signal?: AbortSignal): Promise<string> {
    const input = { Bucket: this.bucket, Key: key, Metadata: { [writerTag]: writer } };
    let tries = 0;
    const { UploadId } = await this.run(
      'CreateMultipartUpload',
      key,
      (abortSignal) => {
        tries += 1;
        return this.#client.send(new CreateMultipartUploadCommand(input), { abortSignal });
      },
      { signal },
    );
    if (UploadId === undefined) throw s3Fault(this.where(key), new Error('the store gave no upload id'));
    if (tries > 1) {
      const { Uploads = [] } = await this.listUploadsPage(key, {}, signal);
      const lost = Uploads.filter((other) => other.Key === key && other.UploadId !== UploadId);
      for (const other of lost) await this.abortUpload(key, other.UploadId ?? '', signal);
    }
    return UploadId;
  }

  async uploadPart(
    key: string,
    uploadId: string,
    partNumber: number,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<CompletedPart> {
    const input = { Bucket: this.bucket, Key: key, UploadId: uploadId, PartNumber: partNumber, Body: body };
    const { ETag } = await this.run(
      'UploadPart',
      key,
      (abortSignal) => this.#client.send(new UploadPartCommand(input), { abortSignal }),
      { signal, deadlineMs: uploadDeadlineMs },
    );
    return { PartNumber: partNumber, ...(ETag === undefined ? {} : { ETag }) };
  }

  /** Makes the object of its parts; `exists` when the key is taken by another writer. */
  async completeUpload(
    key: string,
    uploadId: string,
    parts: CompletedPart[],
    options: { writer: string; onlyIfAbsent: boolean; signal: AbortSignal },
  ): Promise<'created' | 'exists'> {
    const condition = options.onlyIfAbsent ? { IfNoneMatch: '*' } : {};
    const input = {
      Bucket: this.bucket,
      Key: key,
      UploadId: uploadId,
      MultipartUpload: { Parts: parts },
      ...condition,
    };
    return this.run(
      'CompleteMultipartUpload',
      key,
      async (abortSignal) => {
        try {
          await this.#client.send(new CompleteMultipartUploadCommand(input), { abortSignal });
          return 'created';
        } catch (thrown) {
          // Taken, or the upload is no longer there: both are also what a repeated request hears of its own success.
          if (statusOf(thrown) !== 412 && statusOf(thrown) !== 404) throw thrown;
          const found = await this.head(key, abortSignal);
          if (found?.writer === options.writer) return 'created';
          if (found !== undefined) return 'exists';
          throw thrown;
        }
      },
      { signal: options.signal, deadlineMs: uploadDeadlineMs },
    );
  }

  async abortUpload(key: string, uploadId: string, signal?: AbortSignal): Promise<void> {
    const input = { Bucket: this.bucket, Key: key, UploadId: uploadId };
    await this.run(
      'AbortMultipartUpload',
      key,
      async (abortSignal) => {
        try {
          await this.#client.send(new AbortMultipartUploadCommand(input), { abortSignal });
        } catch (thrown) {
          if (statusOf(thrown) !== 404) throw thrown;
        }
      },
      { signal },
    );
  }

  async listUploadsPage(
    prefix: string,
    after: { key?: string | undefined; uploadId?: string | undefined },
    signal?: AbortSignal,
  ) {
    const input = {
      Bucket: this.bucket,
      Prefix: prefix,
      ...(after.key === undefined ? {} : { KeyMarker: after.key }),
      ...(after.uploadId === undefined ? {} : { UploadIdMarker: after.uploadId }),
    };
    return this.run(
      'ListMultipartUploads',
      prefix,
      (abortSignal) => this.#client.send(new ListMultipartUploadsCommand(input), { abortSignal }),
      { signal },
    );
  }

  where(key: string): string {
    return `s3://${this.bucket}/${key}`;
  }

  /** One request with its deadline, repeated while it may heal; what finally fails is a Fault, an abort the signal's reason. */
  async run<T>(
    what: string,
    key: string,
    request: (abortSignal: AbortSignal) => Promise<T>,
    { signal, deadlineMs = requestDeadlineMs }: { signal?: AbortSignal | undefined; deadlineMs?: number } = {},
  ): Promise<T> {
    const once = async (): Promise<T> => {
      signal?.throwIfAborted();
      const late = new AbortController();
      const deadline = new RequestDeadline(new Error(`${what} took longer than ${deadlineMs / 1000} s`));
      const cancel = this.#clock.after(deadlineMs, () => late.abort(deadline), { holdsProcess: false });
      try {
        const answer = await request(signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]));
        this.#bucketSeen = true;
        return answer;
      } catch (thrown) {
        throw late.signal.aborted ? deadline : thrown;
      } finally {
        cancel();
      }
    };
    try {
      return await this.retry.run(what, once, signal);
    } catch (thrown) {
      if (signal?.aborted) throw signal.reason;
      throw s3Fault(this.where(key), thrown);
    }
  }

  /** A HEAD that says 404 does not say of what: a missing bucket must not pass for a missing object. */
  async #checkBucket(abortSignal: AbortSignal): Promise<void> {
    if (this.#bucketSeen) return;
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket: this.bucket }), { abortSignal });
    } catch (thrown) {
      if (statusOf(thrown) !== 404) throw thrown;
      throw s3Fault(`s3://${this.bucket}`, Object.assign(new Error('no such bucket'), { name: 'NoSuchBucket' }));
    }
  }
}
