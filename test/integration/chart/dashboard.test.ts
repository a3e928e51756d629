import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { promtool } from '../../harness/promtool.ts';
import { metricNamesIn, metricNamesOfTheCode } from './metric-names.ts';

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string }[];
}

const dashboard = JSON.parse(readFileSync('charts/backstay/files/dashboard.json', 'utf8')) as {
  panels: Panel[];
  templating: { list: { definition?: string }[] };
};
const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

describe('the dashboard', () => {
  it('asks for no metric that the operator does not have', () => {
    const known = metricNamesOfTheCode();
    const asked = [...expressions, ...dashboard.templating.list.map(({ definition = '' }) => definition)];
    const names = asked.flatMap(metricNamesIn);
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter((name) => !known.has(name))).toEqual([]);
  });

  it('shows every figure of policies, runs and restores that the operator has', () => {
    const shown = new Set(expressions.flatMap(metricNamesIn));
    const left = [...metricNamesOfTheCode()].filter((name) => !shown.has(name)).sort();
    // The table shows conditions better than a graph could; the time of each restore is for the alert.
    expect(left).toEqual([
      'backstay_policy_condition',
      'backstay_policy_created_timestamp_seconds',
      'backstay_restore_completed_timestamp_seconds',
    ]);
  });

  it('asks in sentences that Prometheus understands', async () => {
    const place = mkdtempSync(join(tmpdir(), 'backstay-dashboard-'));
    try {
      const rules = expressions.map((expr, at) => ({ record: `panel:${at}`, expr: expr.replaceAll(/\$\w+/g, 'x') }));
      writeFileSync(join(place, 'rules.yaml'), JSON.stringify({ groups: [{ name: 'panels', rules }] }));
      const { said } = await promtool(['check', 'rules', 'rules.yaml'], place);
      expect(said).toContain(`SUCCESS: ${rules.length} rules found`);
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  });

  it('has panels with titles that lie beside each other, not on top', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      [...Array(w * h).keys()].map((at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(dashboard.panels.filter(({ title }) => title === '')).toEqual([]);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });
});
