import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { abandon, cutIntoParts, nextPart, PartBuffers } from '../../../src/store/parts.ts';
import { partBytes } from '../../../src/store/store.ts';

const signal = new AbortController().signal;

async function* source(chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

describe('cutting a stream into parts', () => {
  it('every part but the last is full, the last is marked, and no byte is lost, however the stream is cut', async () => {
    const content = randomBytes(3 * partBytes);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 2 * partBytes }), { maxLength: 6 }), async (sizes) => {
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const size of sizes) {
          const end = Math.min(content.length, at + size);
          chunks.push(content.subarray(at, end));
          at = end;
        }
        const buffers = new PartBuffers();
        const got: Buffer[] = [];
        const marks: boolean[] = [];
        for await (const part of cutIntoParts(source(chunks), buffers)) {
          if (!part.last) expect(part.body.length).toBe(partBytes);
          got.push(Buffer.from(part.body));
          marks.push(part.last);
          buffers.giveBack(part.body);
        }
        expect(Buffer.concat(got).equals(content.subarray(0, at))).toBe(true);
        expect(marks.filter(Boolean)).toHaveLength(1);
        expect(marks.at(-1)).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  it('a buffer that was given back is used again, also when its part was short', () => {
    const buffers = new PartBuffers();
    const first = buffers.take();
    buffers.giveBack(first.subarray(0, 10));
    const second = buffers.take();
    expect(second.buffer).toBe(first.buffer);
    expect(second).toHaveLength(partBytes);
  });

  it('waiting for a source that stands still ends with the abort', async () => {
    const controller = new AbortController();
    async function* hanging(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('x');
      await new Promise(() => undefined);
    }
    const parts = cutIntoParts(hanging(), new PartBuffers());
    const waiting = nextPart(parts, controller.signal);
    controller.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
    abandon(parts);
  });

  it('the end of the source is undefined', async () => {
    const parts = cutIntoParts(source([]), new PartBuffers());
    expect(await nextPart(parts, signal)).toMatchObject({ last: true });
    expect(await nextPart(parts, signal)).toBeUndefined();
  });
});
