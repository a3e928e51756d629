import type { Family, Labels, Sample } from './exposition.ts';

/** Gauges that are filled anew for each scrape; `help` names them all, and its order is that of the text. */
export class Gauges<Name extends string> {
  readonly #help: Readonly<Record<Name, string>>;
  readonly #samples = new Map<string, Sample[]>();

  constructor(help: Readonly<Record<Name, string>>) {
    this.#help = help;
  }

  /** A value that is not known is no sample: a 0 in its place would be a lie. */
  set(name: Name, labels: Labels, value: number | undefined): void {
    if (value === undefined || Number.isNaN(value)) return;
    const samples = this.#samples.get(name);
    if (samples === undefined) this.#samples.set(name, [{ labels, value }]);
    else samples.push({ labels, value });
  }

  families(): Family[] {
    return Object.entries<string>(this.#help).map(([name, help]) => ({
      name,
      help,
      type: 'gauge',
      samples: this.#samples.get(name) ?? [],
    }));
  }
}

/** Seconds since 1970 of an RFC 3339 time; undefined for what is none. */
export function secondsOf(time: string | undefined): number | undefined {
  const ms = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(ms) ? undefined : ms / 1000;
}

/** From one moment to the other, never below 0: clocks of two machines differ. */
export function secondsBetween(fromS: number | undefined, toS: number | undefined): number | undefined {
  return fromS === undefined || toS === undefined ? undefined : Math.max(0, toS - fromS);
}
