import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mapInOrder } from '../../../src/stream/map-in-order.ts';

async function* numbers(count: number, failAt = -1): AsyncGenerator<number> {
  for (let index = 0; index < count; index += 1) {
    if (index === failAt) throw new Error('source failed');
    yield index;
  }
}

async function collect(results: AsyncIterable<number>): Promise<{ seen: number[]; error: unknown }> {
  const seen: number[] = [];
  try {
    for await (const result of results) seen.push(result);
  } catch (error) {
    return { seen, error };
  }
  return { seen, error: undefined };
}

describe('mapInOrder', () => {
  it('keeps the order, however the work overtakes itself, and the width', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.nat({ max: 12 }),
        fc.integer({ min: 1, max: 4 }),
        async (scheduler, count, width) => {
          let running = 0;
          let most = 0;
          const work = async (item: number): Promise<number> => {
            running += 1;
            most = Math.max(most, running);
            await scheduler.schedule(Promise.resolve());
            running -= 1;
            return item * 10;
          };
          const collected = collect(mapInOrder({ open: () => numbers(count), work, width }));
          await scheduler.waitFor(collected);
          expect(await collected).toEqual({
            seen: Array.from({ length: count }, (_, index) => index * 10),
            error: undefined,
          });
          expect(most).toBeLessThanOrEqual(width);
        },
      ),
    );
  });

  it('delivers what came before an error of the source, then the error', async () => {
    const results = mapInOrder({ open: () => numbers(9, 4), work: async (item) => item, width: 3 });
    expect(await collect(results)).toEqual({ seen: [0, 1, 2, 3], error: new Error('source failed') });
  });

  it('delivers what came before an error of the work, then the error', async () => {
    const work = async (item: number): Promise<number> => {
      if (item === 4) throw new Error('work failed');
      return item;
    };
    expect(await collect(mapInOrder({ open: () => numbers(9), work, width: 3 }))).toEqual({
      seen: [0, 1, 2, 3],
      error: new Error('work failed'),
    });
  });

  it('closes the source and tells it to stop when the reader leaves', async () => {
    const events: string[] = [];
    async function* source(stop: AbortSignal): AsyncGenerator<number> {
      try {
        yield* numbers(100);
      } finally {
        events.push(stop.aborted ? 'closed after stop' : 'closed');
      }
    }
    for await (const _ of mapInOrder({ open: source, work: async (item) => item, width: 3 })) break;
    expect(events).toEqual(['closed after stop']);
  });
});
