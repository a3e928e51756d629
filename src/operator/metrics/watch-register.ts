import type { WatchInstrument } from '../../cluster/instruments.ts';

/** Which watches run, and when each was last heard. */
export class WatchRegister {
  readonly #monotonicMs: () => number;
  readonly #running = new Set<{ resource: string; heardMs: number; everHeard: boolean }>();
  readonly #restarts = new Map<string, number>();

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  begin(resource: string): WatchInstrument {
    const watch = { resource, heardMs: this.#monotonicMs(), everHeard: false };
    this.#running.add(watch);
    if (!this.#restarts.has(resource)) this.#restarts.set(resource, 0);
    return {
      heard: () => {
        watch.heardMs = this.#monotonicMs();
        watch.everHeard = true;
      },
      restarted: () => this.#restarts.set(resource, (this.#restarts.get(resource) ?? 0) + 1),
      ended: () => this.#running.delete(watch),
    };
  }

  /** Failures of lists and watches since the start, by resource. */
  get restarts(): ReadonlyMap<string, number> {
    return this.#restarts;
  }

  /** Resources whose first list has not come yet; `expected` ones also when nobody has begun to watch them. */
  unheard(expected: readonly string[] = []): string[] {
    const begun = new Set(this.#resources(() => true));
    const missing = expected.filter((resource) => !begun.has(resource));
    return [...missing, ...this.#resources(({ everHeard }) => !everHeard)].sort();
  }

  /** Resources with a watch that has said nothing for `limitMs`. A healthy one says something every minute. */
  silentFor(limitMs: number): string[] {
    return this.#resources(({ heardMs }) => this.#monotonicMs() - heardMs >= limitMs);
  }

  #resources(wanted: (watch: { heardMs: number; everHeard: boolean }) => boolean): string[] {
    const names = [...this.#running].filter(wanted).map(({ resource }) => resource);
    return [...new Set(names)].sort();
  }
}
