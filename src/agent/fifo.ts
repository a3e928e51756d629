import { execFile } from 'node:child_process';
import { constants, open } from 'node:fs';
import { Socket } from 'node:net';
import { promisify } from 'node:util';
import { type Clock, sleep } from '../base/clock.ts';
import type { Bytes } from '../stream/bytes.ts';

const openFile = promisify(open);

/** Readable and writable by owner and group whatever the umask: the tool has another uid. */
export async function makeFifos(...paths: string[]): Promise<void> {
  // Node cannot make one; mkfifo(1) is in every image that has a shell.
  await promisify(execFile)('mkfifo', ['-m', '660', ...paths]);
}

/** Never waits for the other side: as reader and writer at once. */
export function openBoth(path: string): Promise<number> {
  return openFile(path, constants.O_RDWR | constants.O_NONBLOCK);
}

/** Never waits for a writer; before the first one has come there is no end. */
export function openForReading(path: string): Promise<number> {
  return openFile(path, constants.O_RDONLY | constants.O_NONBLOCK);
}

/** Fails with ENXIO when nobody reads. */
export function openForWriting(path: string): Promise<number> {
  return openFile(path, constants.O_WRONLY | constants.O_NONBLOCK);
}

/** Waits until a reader has opened the FIFO; rejects with the signal's reason when it is aborted first. */
export async function openWriter(path: string, clock: Clock, signal: AbortSignal): Promise<Socket> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return new Socket({ fd: await openForWriting(path), readable: false, writable: true });
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENXIO') throw thrown;
    }
    await sleep(clock, 5, signal);
  }
}

/** Writes everything and leaves the socket open. `reader-left`: the tool closed its input before the end. */
export async function sendAll(socket: Socket, input: Bytes): Promise<'sent' | 'reader-left'> {
  let broken: Error | undefined;
  socket.on('error', (error) => {
    broken = error;
  });
  for await (const chunk of input) {
    broken ??= await new Promise<Error | undefined>((resolve) => {
      socket.write(chunk, (error) => resolve(error ?? undefined));
    });
    if (broken !== undefined) return 'reader-left';
  }
  return 'sent';
}
