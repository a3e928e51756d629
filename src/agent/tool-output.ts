import { open } from 'node:fs/promises';
import type { Bytes } from '../stream/bytes.ts';

const keptBytes = 64 * 1024;

/** The last 64 KiB of what a tool wrote: a tool that talks for hours must not fill the memory. */
export async function collectTail(bytes: Bytes): Promise<string> {
  let kept = Buffer.alloc(0);
  for await (const chunk of bytes) kept = Buffer.concat([kept, chunk]).subarray(-keptBytes);
  return kept.toString('utf8');
}

/** The last 64 KiB of a file, the empty string when there is none. */
export async function readTail(path: string): Promise<string> {
  const file = await open(path, 'r').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined;
    throw thrown;
  });
  if (file === undefined) return '';
  try {
    const { size } = await file.stat();
    const tail = Buffer.alloc(Math.min(size, keptBytes));
    const { bytesRead } = await file.read(tail, 0, tail.length, size - tail.length);
    return tail.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The last lines, for a message: at most 12, at most 1,500 characters. */
export function lastLines(text: string): string {
  const lines = text.trimEnd().split('\n').slice(-12).join('\n');
  return lines.length > 1_500 ? `…${lines.slice(-1_500)}` : lines;
}
