import { createServer, type Server } from 'node:net';
import { digestOfText } from './digest.ts';
import { waitFor } from './wait.ts';

/**
 * Runs `work` while no other process of this machine holds a lock of the same name: two test workers must not build the
 * same program at once. The lock is a socket in Linux' abstract namespace: the kernel gives it to one process only, and
 * frees it when that process dies, however it dies. Nothing stale can lie about.
 */
export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const held = await waitFor(`the lock ${name}`, () => take(`\0backstay-${digestOfText(name)}`), {
    timeoutMs: 40 * 60_000,
    intervalMs: 200,
  });
  try {
    return await work();
  } finally {
    await new Promise((resolve) => held.close(resolve));
  }
}

function take(socket: string): Promise<Server | false> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (thrown: NodeJS.ErrnoException) => {
      if (thrown.code === 'EADDRINUSE') resolve(false);
      else reject(thrown);
    });
    server.listen(socket, () => resolve(server));
  });
}
