import { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { openForReading } from './fifo.ts';

const pieceBytes = 256 * 1024;
// One is being read by the consumer, one waits: then the tool waits, too.
const mostPieces = 2;
// What a slow tool says is not kept back for want of more.
const mostIdleMs = 20;

/**
 * What comes out of a FIFO, in pieces of 256 KiB; shorter ones when the tool is slow, and at the end. A tool such as
 * pg_dump writes 4 KiB at a time: a chunk for each write, with its own buffer and its own turn through every filter, took
 * a tenth of the agent's time. A socket and not a file stream: a read that waits for a slow tool would hold one of libuv's
 * four threads, and those compress. Before the first writer has come there is no end. Can be read once; whoever stops
 * early calls `destroy`.
 */
export class FifoReader implements AsyncIterable<Uint8Array> {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #pieces: Buffer[] = [];
  #piece = Buffer.allocUnsafeSlow(pieceBytes);
  #filled = 0;
  #end: { error?: Error } | undefined;
  #wake = (): void => {};
  #wakeAtAnyByte = (): void => {};

  private constructor(fd: number, clock: Clock) {
    this.#clock = clock;
    this.#socket = new Socket({
      fd,
      readable: true,
      writable: false,
      onread: {
        buffer: Buffer.allocUnsafeSlow(64 * 1024),
        callback: (count, chunk) => this.#take(chunk.subarray(0, count)),
      },
    });
    this.#socket.once('end', () => this.#finish({}));
    this.#socket.once('error', (error) => this.#finish({ error }));
    this.#socket.once('close', () => this.#finish({ error: new Error('the FIFO was closed before its end') }));
  }

  static async open(path: string, clock: Clock): Promise<FifoReader> {
    return new FifoReader(await openForReading(path), clock);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const piece = this.#pieces.shift();
        if (piece !== undefined) {
          this.#socket.resume();
          yield piece;
          continue;
        }
        if (this.#end === undefined) {
          if (this.#filled === 0) await this.#firstByte();
          else if ((await this.#wholePiece()) === 'late' && this.#filled > 0) this.#handOver();
          continue;
        }
        if (this.#end.error !== undefined) throw this.#end.error;
        if (this.#filled > 0) yield this.#piece.subarray(0, this.#filled);
        return;
      }
    } finally {
      this.destroy();
    }
  }

  /** Idempotent. A writer gets a broken pipe, a consumer that waits an error. */
  destroy(): void {
    this.#socket.destroy();
  }

  #firstByte(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeAtAnyByte = resolve;
      this.#wake = resolve;
    });
  }

  #wholePiece(): Promise<'in-time' | 'late'> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(mostIdleMs, () => resolve('late'));
      this.#wake = () => {
        cancel();
        resolve('in-time');
      };
    });
  }

  /** The answer says whether to go on reading. */
  #take(chunk: Uint8Array): boolean {
    this.#wakeAtAnyByte();
    this.#wakeAtAnyByte = () => {};
    for (let from = 0; from < chunk.length; ) {
      const count = Math.min(pieceBytes - this.#filled, chunk.length - from);
      this.#piece.set(chunk.subarray(from, from + count), this.#filled);
      this.#filled += count;
      from += count;
      if (this.#filled === pieceBytes) this.#handOver();
    }
    return this.#pieces.length < mostPieces;
  }

  #handOver(): void {
    this.#pieces.push(this.#piece.subarray(0, this.#filled));
    this.#piece = Buffer.allocUnsafeSlow(pieceBytes);
    this.#filled = 0;
    this.#wake();
  }

  #finish(end: { error?: Error }): void {
    this.#end ??= end;
    this.#wake();
  }
}
