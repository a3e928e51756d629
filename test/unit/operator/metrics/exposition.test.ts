import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { exposition, numberText } from '../../../../src/operator/metrics/exposition.ts';

describe("Prometheus' text format", () => {
  it('writes families in their order and samples in the order of their text', () => {
    const text = exposition([
      {
        name: 'b',
        help: 'Two\nlines and a \\.',
        type: 'gauge',
        samples: [
          { labels: { policy: 'z' }, value: 1.5 },
          { labels: { policy: 'a' }, value: 2 },
        ],
      },
      { name: 'empty', help: 'Nothing to say.', type: 'gauge', samples: [] },
      { name: 'a', help: 'No labels.', type: 'counter', samples: [{ labels: {}, value: 0 }] },
    ]);
    expect(text).toBe(
      [
        '# HELP b Two\\nlines and a \\\\.',
        '# TYPE b gauge',
        'b{policy="a"} 2',
        'b{policy="z"} 1.5',
        '# HELP a No labels.',
        '# TYPE a counter',
        'a 0',
        '',
      ].join('\n'),
    );
  });

  it('gives every label value back unchanged to who reads the format, and never breaks a line', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('\\', '"', '\n', 'n', '}', ',', 'a', 'ü', '\r') }), (value) => {
        const text = exposition([
          { name: 'm', help: 'h', type: 'gauge', samples: [{ labels: { one: value, two: 'x' }, value: 1 }] },
        ]);
        const [line, ...rest] = text.split('\n').slice(2);
        expect(rest).toEqual(['']);
        const quoted = /^m\{one="((?:[^"\\\n]|\\["\\n])*)",two="x"\} 1$/.exec(line ?? '')?.[1];
        expect(quoted?.replace(/\\(.)/g, (_all, letter) => (letter === 'n' ? '\n' : letter))).toBe(value);
      }),
    );
  });

  it('writes numbers so that the same number is read', () => {
    expect([1 / 0, -1 / 0, Number.NaN, 1e21, 0.1].map(numberText)).toEqual(['+Inf', '-Inf', 'NaN', '1e+21', '0.1']);
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        (value) => Number(numberText(value)) === value || value === 0,
      ),
    );
  });

  it('keeps the bounds of a histogram in their order', () => {
    const bucket = (le: string) => ({ suffix: '_bucket' as const, labels: { le }, value: 1 });
    const text = exposition([{ name: 'h', help: 'x', type: 'histogram', samples: ['2.5', '10', '+Inf'].map(bucket) }]);
    expect(text.match(/le="[^"]*"/g)).toEqual(['le="2.5"', 'le="10"', 'le="+Inf"']);
  });
});
