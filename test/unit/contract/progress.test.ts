import { describe, expect, it } from '@jest/globals';
import { newestProgressIn, type Progress } from '../../../src/contract/progress.ts';

const at = (atMs: number): Progress => ({ atMs, step: 'dump', plainBytes: 2, storedBytes: 1, bytesPerSecond: 1 });
const line = (fields: object): string => JSON.stringify({ level: 'info', time: '2026-01-01T00:00:00Z', ...fields });

describe('the progress in an agent log', () => {
  it('is the newest one, whatever stands behind it', () => {
    const log = [line({ progress: at(1) }), line({ progress: at(2) }), line({ step: 'details', msg: 'step' }), ''];
    expect(newestProgressIn(log.join('\n'))).toEqual(at(2));
  });

  it('is found where the last line was cut', () => {
    const log = `${line({ progress: at(1) })}\n${line({ progress: at(2) }).slice(0, 40)}`;
    expect(newestProgressIn(log)).toEqual(at(1));
  });

  it.each([
    ['is empty', ''],
    ['holds other lines only', `${line({ step: 'dump' })}\nnull\n[]\n3`],
    ['is of another shape', line({ progress: { ...at(1), atMs: 'now' } })],
    ['holds a field more', line({ progress: { ...at(1), password: 'x' } })],
  ])('is none where the log %s', (_what, log) => {
    expect(newestProgressIn(log)).toBeUndefined();
  });
});
