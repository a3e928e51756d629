import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { s3Fault, statusOf } from './errors.ts';
import { type S3Requests, uploadDeadlineMs, writerTag } from './requests.ts';

/** The requests that a multipart upload is made of. */
export class Multipart {
  readonly #requests: S3Requests;

  constructor(requests: S3Requests) {
    this.#requests = requests;
  }

  /** Begins a multipart upload. An upload of ours whose id was lost with an answer is aborted: it would be paid for ever. */
  async begin(key: string, writer: string, signal?: AbortSignal): Promise<string> {
    const input = { Bucket: this.#requests.bucket, Key: key, Metadata: { [writerTag]: writer } };
    let tries = 0;
    const { UploadId } = await this.#requests.run(
      'CreateMultipartUpload',
      key,
      (abortSignal) => {
        tries += 1;
        return this.#requests.client.send(new CreateMultipartUploadCommand(input), { abortSignal });
      },
      { signal },
    );
    if (UploadId === undefined) throw s3Fault(this.#requests.where(key), new Error('the store gave no upload id'));
    if (tries > 1) {
      const { Uploads = [] } = await this.listPage(key, {}, signal);
      const lost = Uploads.filter((other) => other.Key === key && other.UploadId !== UploadId);
      for (const other of lost) await this.abort(key, other.UploadId ?? '', signal);
    }
    return UploadId;
  }

  async sendPart(
    key: string,
    uploadId: string,
    partNumber: number,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<CompletedPart> {
    const input = { Bucket: this.#requests.bucket, Key: key, UploadId: uploadId, PartNumber: partNumber, Body: body };
    const { ETag } = await this.#requests.run(
      'UploadPart',
      key,
      (abortSignal) => this.#requests.client.send(new UploadPartCommand(input), { abortSignal }),
      { signal, deadlineMs: uploadDeadlineMs },
    );
    return { PartNumber: partNumber, ...(ETag === undefined ? {} : { ETag }) };
  }

  /** Makes the object of its parts; `exists` when the key is taken by another writer. */
  async complete(
    key: string,
    uploadId: string,
    parts: CompletedPart[],
    options: { writer: string; onlyIfAbsent: boolean; signal: AbortSignal },
  ): Promise<'created' | 'exists'> {
    const condition = options.onlyIfAbsent ? { IfNoneMatch: '*' } : {};
    const input = {
      Bucket: this.#requests.bucket,
      Key: key,
      UploadId: uploadId,
      MultipartUpload: { Parts: parts },
      ...condition,
    };
    return this.#requests.run(
      'CompleteMultipartUpload',
      key,
      async (abortSignal) => {
        try {
          await this.#requests.client.send(new CompleteMultipartUploadCommand(input), { abortSignal });
          return 'created';
        } catch (thrown) {
          // Taken, or the upload is no longer there: both are also what a repeated request hears of its own success.
          if (statusOf(thrown) !== 412 && statusOf(thrown) !== 404) throw thrown;
          const found = await this.#requests.head(key, abortSignal);
          if (found?.writer === options.writer) return 'created';
          if (found !== undefined) return 'exists';
          throw thrown;
        }
      },
      { signal: options.signal, deadlineMs: uploadDeadlineMs },
    );
  }

  async abort(key: string, uploadId: string, signal?: AbortSignal): Promise<void> {
    const input = { Bucket: this.#requests.bucket, Key: key, UploadId: uploadId };
    await this.#requests.run(
      'AbortMultipartUpload',
      key,
      async (abortSignal) => {
        try {
          await this.#requests.client.send(new AbortMultipartUploadCommand(input), { abortSignal });
        } catch (thrown) {
          if (statusOf(thrown) !== 404) throw thrown;
        }
      },
      { signal },
    );
  }

  async listPage(
    prefix: string,
    after: { key?: string | undefined; uploadId?: string | undefined },
    signal?: AbortSignal,
  ) {
    const input = {
      Bucket: this.#requests.bucket,
      Prefix: prefix,
      ...(after.key === undefined ? {} : { KeyMarker: after.key }),
      ...(after.uploadId === undefined ? {} : { UploadIdMarker: after.uploadId }),
    };
    return this.#requests.run(
      'ListMultipartUploads',
      prefix,
      (abortSignal) => this.#requests.client.send(new ListMultipartUploadsCommand(input), { abortSignal }),
      { signal },
    );
  }
}
