import { type Labels, numberText, type Sample } from './exposition.ts';

/** Seconds; as most Prometheus clients have them. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, Number.POSITIVE_INFINITY];

/** How often values fell below each bound, for each set of labels. */
export class Histogram {
  readonly #series = new Map<string, { labels: Labels; counts: number[]; sum: number }>();

  /** A clock that was set back gives a negative duration, which counts as 0. */
  observe(labels: Labels, seconds: number): void {
    const value = Math.max(0, seconds);
    const key = Object.values(labels).join(' ');
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { labels, counts: bounds.map(() => 0), sum: 0 };
      this.#series.set(key, series);
    }
    const bucket = bounds.findIndex((bound) => value <= bound);
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
    series.sum += value;
  }

  samples(): Sample[] {
    return [...this.#series.values()].flatMap(({ labels, counts, sum }) => {
      let total = 0;
      const buckets = bounds.map((bound, index): Sample => {
        total += counts[index] ?? 0;
        return { suffix: '_bucket', labels: { ...labels, le: numberText(bound) }, value: total };
      });
      return [...buckets, { suffix: '_sum', labels, value: sum }, { suffix: '_count', labels, value: total }];
    });
  }
}
