import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeReport, encodeReport, type Report, reportMaxBytes } from '../../../src/contract/report.ts';

const failure = (message: string): Report => ({ outcome: 'failed', reason: 'ToolFailed', message, hint: 'Look.' });

describe('a report', () => {
  it('never passes the size that a kubelet keeps, whatever a tool wrote, and keeps the end of the message', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20_000 }), (noise) => {
        const text = encodeReport(failure(`${noise}the cause`));
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(reportMaxBytes);
        const read = decodeReport(text);
        expect(read?.outcome === 'failed' && read.message.endsWith('the cause')).toBe(true);
      }),
    );
  });

  it('that is short comes back unchanged', () => {
    expect(decodeReport(encodeReport(failure('no space')))).toEqual(failure('no space'));
  });

  it.each([
    '',
    'null',
    '{}',
    'Killed',
    '{"outcome":"failed","reason":"NoSuchReason","message":"","hint":""}',
    '{"outcome":"no-manifest","more":1}',
  ])('%p is no report: the outcome stays unknown', (text) => expect(decodeReport(text)).toBeUndefined());
});
