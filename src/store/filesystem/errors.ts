import { Fault } from '../../base/fault.ts';
import type { Reason } from '../../base/reasons.ts';

const reasonOf: Record<string, Reason> = {
  ENOSPC: 'StoreFull',
  EDQUOT: 'StoreFull',
  EFBIG: 'StoreFull',
  EACCES: 'StoreDenied',
  EPERM: 'StoreDenied',
  EROFS: 'StoreDenied',
  ESTALE: 'StoreUnreachable',
  ENOTCONN: 'StoreUnreachable',
  ETIMEDOUT: 'StoreUnreachable',
  // O_NOFOLLOW met a symbolic link: nothing of ours is one, and it could lead out of the store.
  ELOOP: 'DataCorrupt',
};

/** The fault in an error of the file system, with the operation that failed and the path. */
export function fileFault(path: string, thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown;
  const { code, syscall } = thrown as NodeJS.ErrnoException;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new Fault(reasonOf[code ?? ''] ?? 'StoreFailed', syscall ? `${syscall} failed with ${code}` : message, {
    where: path,
    cause: thrown,
  });
}

export function hasCode(thrown: unknown, ...codes: string[]): boolean {
  return codes.includes((thrown as NodeJS.ErrnoException).code ?? '');
}

/** Runs one operation of the file system; what it throws becomes a fault. */
export async function onFile<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (thrown) {
    throw fileFault(path, thrown);
  }
}
