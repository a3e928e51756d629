import { describe, expect, it } from '@jest/globals';
import { exposition } from '../../../../src/operator/metrics/exposition.ts';
import { ProcessMetrics } from '../../../../src/operator/metrics/process-metrics.ts';

const text = (metrics: ProcessMetrics, leading = true): string => exposition(metrics.families(leading));

describe('the metrics of the process', () => {
  it('count calls, visits and restarts, and read the depth of a queue when they are asked', () => {
    const metrics = new ProcessMetrics('1.2.3', () => 0);
    let depth = 7;
    metrics.queueMade('BackupRun', () => depth);
    metrics.apiRequest('GET', '200', 12);
    metrics.apiRequest('GET', '200', 900);
    metrics.apiRequest('PUT', 'error', 15_000);
    metrics.reconciled('BackupRun', 'after', 30);
    metrics.watchBegan('jobs').restarted();
    metrics.watchBegan('jobs').restarted();
    metrics.watchBegan('pods');
    expect(text(metrics).split('\n')).toEqual(
      expect.arrayContaining([
        'backstay_operator_leader 1',
        'backstay_queue_depth{kind="BackupRun"} 7',
        'backstay_api_requests_total{method="GET",code="200"} 2',
        'backstay_api_requests_total{method="PUT",code="error"} 1',
        'backstay_reconcile_total{kind="BackupRun",outcome="after"} 1',
        'backstay_watch_restarts_total{resource="jobs"} 2',
        'backstay_watch_restarts_total{resource="pods"} 0',
      ]),
    );
    depth = 0;
    expect(text(metrics)).toContain('backstay_queue_depth{kind="BackupRun"} 0\n');
  });

  it('put every duration into all buckets above it', () => {
    const metrics = new ProcessMetrics('1', () => 0);
    // On a bound; between two; above all; and one from a clock that was set back.
    for (const ms of [5, 700, 60_000, -40]) metrics.reconciled('BackupPolicy', 'done', ms);
    const series = text(metrics)
      .split('\n')
      .filter((line) => line.startsWith('backstay_reconcile_duration_seconds'));
    const counts = series.map((line) => line.slice(line.lastIndexOf(' ') + 1));
    expect(counts).toEqual(['2', '2', '2', '2', '2', '2', '2', '3', '3', '3', '3', '4', '60.705', '4']);
    expect(series[0]).toContain('{kind="BackupPolicy",le="0.005"}');
    expect(series[11]).toContain('le="+Inf"');
  });
});
