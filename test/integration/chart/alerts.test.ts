import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { promtool } from '../../harness/promtool.ts';
import { alertCases, type Moment } from './alert-cases.ts';
import { metricNamesIn, metricNamesOfTheCode } from './metric-names.ts';

interface Rule {
  alert?: string;
  record?: string;
  expr: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

const rulesFile = 'charts/backstay/files/rules.yaml';
const text = readFileSync(rulesFile, 'utf8');
const rules = (parse(text) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
const alerts = rules.filter((rule): rule is Rule & { alert: string } => rule.alert !== undefined);
const place = mkdtempSync(join(tmpdir(), 'backstay-alerts-'));
afterAll(() => rmSync(place, { recursive: true, force: true }));

describe('the alerts', () => {
  it('are rules that Prometheus takes', async () => {
    expect(await promtool(['check', 'rules', join(process.cwd(), rulesFile)], place)).toMatchObject({ ok: true });
  });

  it('ask for no metric that the operator does not have', () => {
    const known = metricNamesOfTheCode();
    const asked = rules.flatMap(({ expr }) => metricNamesIn(expr));
    expect(asked.filter((name) => !known.has(name))).toEqual([]);
  });

  it('all have cases, and a page of their own with every heading', () => {
    const names = alerts.map(({ alert }) => alert).sort();
    expect(Object.keys(alertCases).sort()).toEqual(names);
    expect(readdirSync('docs/runbooks').sort()).toEqual(names.map((name) => `${name}.md`));
    for (const name of names) {
      const page = readFileSync(`docs/runbooks/${name}.md`, 'utf8');
      const headings = [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading);
      expect(headings).toEqual([name, 'Meaning', 'Impact', 'Diagnosis', 'Mitigation']);
    }
  });

  it.each(alerts.map((rule) => [rule.alert, rule] as const))(
    '%s says how bad it is, what it is and where to read on',
    (name, rule) => {
      expect(rule.labels?.['severity']).toMatch(/^(critical|warning)$/);
      expect(rule.annotations).toEqual({
        summary: expect.stringMatching(/\.$/),
        description: expect.stringMatching(/\.$/),
        runbook_url: `https://backstay.dev/docs/runbooks/${name}.md`,
      });
      expect(existsSync(`docs/runbooks/${name}.md`)).toBe(true);
    },
  );

  describe.each(Object.entries(alertCases))('%s', (name, { fires, quiet, restart, also = {} }) => {
    const rule = alerts.find(({ alert }) => alert === name)!;

    it('fires, in words that name the object', async () => {
      const { labels, series, minute, value = '' } = fires;
      const annotations = Object.entries(rule.annotations ?? {}).map(([key, template]) => {
        const said = template
          .replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? `no label ${label}`)
          .replaceAll(/\{\{ \$value[^}]*\}\}/g, value);
        return [key, said];
      });
      const alert = { exp_labels: { ...rule.labels, ...labels }, exp_annotations: Object.fromEntries(annotations) };
      expect(
        await ask(series, { alert_rule_test: [{ eval_time: `${minute}m`, alertname: name, exp_alerts: [alert] }] }),
      ).toBe('');
    });

    it('is quiet short of it', async () => {
      const { series, minute } = quiet;
      const none = { eval_time: `${minute}m`, alertname: name, exp_alerts: [] };
      expect(await ask(series, { alert_rule_test: [none] })).toBe('');
    });

    it.each(Object.entries({ 'fires across a restart of the pod': restart, ...also }))('%s', async (_what, moment) => {
      const { labels, series, minute }: Moment & { labels?: Record<string, string> } = moment;
      const sample = Object.entries({ alertname: name, alertstate: 'firing', ...rule.labels, ...labels })
        .map(([key, word]) => `${key}="${word}"`)
        .join(',');
      const expr = `ALERTS{alertname="${name}",alertstate="firing"}`;
      const exp_samples = labels === undefined ? [] : [{ labels: `ALERTS{${sample}}`, value: 1 }];
      const test = { expr, eval_time: `${minute}m`, exp_samples };
      expect(await ask(series, { promql_expr_test: [test] })).toBe('');
    });
  });
});

/** What promtool has against it; nothing, when all is as expected. */
async function ask(series: Record<string, string>, expected: object): Promise<string> {
  const input_series = Object.entries(series).map(([name, values]) => ({ series: name, values }));
  const test = {
    rule_files: [join(process.cwd(), rulesFile)],
    evaluation_interval: '1m',
    tests: [{ interval: '1m', input_series, ...expected }],
  };
  writeFileSync(join(place, 'test.yaml'), JSON.stringify(test));
  const { ok, said } = await promtool(['test', 'rules', 'test.yaml'], place);
  return ok ? '' : said;
}
