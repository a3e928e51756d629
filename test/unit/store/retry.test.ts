import { describe, expect, it } from '@jest/globals';
import { Retry } from '../../../src/store/retry.ts';
import { FakeClock } from '../../harness/fake-clock.ts';

const transient = new Error('busy');
const final = new Error('denied');

function retryOn(clock: FakeClock): Retry {
  return new Retry({ clock, mayHeal: (thrown) => thrown === transient });
}

/** Fails so many times, then answers; counts the calls. */
function failing(times: number, error = transient) {
  const request = async (): Promise<string> => {
    request.calls += 1;
    if (request.calls <= times) throw error;
    return 'answer';
  };
  request.calls = 0;
  return request;
}

describe('repeating requests', () => {
  it('what may heal is asked again until it answers', async () => {
    const clock = new FakeClock();
    const request = failing(3);
    const running = retryOn(clock).run('x', request);
    await clock.advance(60_000);
    expect(await running).toBe('answer');
    expect(request.calls).toBe(4);
  });

  it('what cannot heal is asked once', async () => {
    const request = failing(1, final);
    await expect(retryOn(new FakeClock()).run('x', request)).rejects.toBe(final);
    expect(request.calls).toBe(1);
  });

  it('a store that never answered is given up within 5 s, one that did is waited for much longer', async () => {
    const clock = new FakeClock();
    const retry = retryOn(clock);
    const first = failing(99);
    const started = clock.nowMs();
    const givenUp = retry.run('x', first).catch((thrown: unknown) => [thrown, clock.nowMs() - started]);
    await clock.advance(60_000);
    const [thrown, tookMs] = (await givenUp) as [Error, number];
    expect(thrown).toBe(transient);
    expect(tookMs).toBeLessThan(5_000);
    expect(first.calls).toBe(5);

    await retry.run('x', failing(0));
    const later = failing(99);
    const again = retry.run('x', later).catch((other: unknown) => other);
    await clock.advance(10_000);
    expect(later.calls).toBeGreaterThan(5);
    await clock.advance(60_000);
    expect(await again).toBe(transient);
    expect(later.calls).toBe(9);
  });

  it('an abort ends the waiting at once, with its own reason', async () => {
    const clock = new FakeClock();
    const controller = new AbortController();
    const running = retryOn(clock).run('x', failing(99), controller.signal);
    controller.abort(new Error('stopped'));
    await expect(running).rejects.toThrow('stopped');
    expect(clock.pending).toBe(0);
  });
});
