import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { Retry } from '../retry.ts';
import { createClient, type S3Config } from './client.ts';
import { mayHeal, RequestDeadline, s3Fault, statusOf } from './errors.ts';

// A part of 8 MiB gets through in this time at 70 KB/s; anything slower is as good as down.
export const uploadDeadlineMs = 120_000;
const requestDeadlineMs = 30_000;

/** Which write an object is from: with it a writer that lost an answer finds out whether it won. */
export const writerTag = 'backstay-writer';

/**
 * Single requests to one bucket, each with a deadline and repeated while it may heal. All bodies are buffers, so that a
 * repeated request sends the same bytes. Keys here are whole keys, the configured prefix included.
 */
export class S3Requests {
  readonly bucket: string;
  readonly retry: Retry;
  readonly #clock: Clock;
  readonly client: S3Client;
  readonly close: () => void;
  #bucketSeen = false;

  constructor(config: S3Config, { clock, log }: { clock: Clock; log?: Logger }) {
    const { client, close } = createClient(config);
    this.bucket = config.bucket;
    this.close = close;
    this.client = client;
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
          await this.client.send(new PutObjectCommand(input), { abortSignal });
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
          const found = await this.client.send(new HeadObjectCommand({ Bucket: this.bucket, Key: key }), {
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
        const answer = await this.client.send(new GetObjectCommand(input), { abortSignal });
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
      (abortSignal) => this.client.send(new ListObjectsV2Command(input), { abortSignal }),
      { signal },
    );
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    const input = { Bucket: this.bucket, Key: key };
    await this.run(
      'DeleteObject',
      key,
      (abortSignal) => this.client.send(new DeleteObjectCommand(input), { abortSignal }),
      {
        signal,
      },
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
      await this.client.send(new HeadBucketCommand({ Bucket: this.bucket }), { abortSignal });
    } catch (thrown) {
      if (statusOf(thrown) !== 404) throw thrown;
      throw s3Fault(`s3://${this.bucket}`, Object.assign(new Error('no such bucket'), { name: 'NoSuchBucket' }));
    }
  }
}
