import { describe, expect, it } from '@jest/globals';
import { operatorConfig, parseOperatorConfig } from '../../../src/api/operator-config.ts';
import { defaultTimings, timingsOf } from '../../../src/operator/timings.ts';
import { faultOf } from '../../harness/fault-of.ts';

const refusal = (text: string) => faultOf((async () => parseOperatorConfig(text, 'operator.yaml'))());

describe('the configuration of the operator', () => {
  it('is whole when the file is empty', () => {
    expect(parseOperatorConfig('', 'operator.yaml')).toEqual(operatorConfig.parse({}));
    expect(parseOperatorConfig('# nothing yet\n', 'operator.yaml').http.port).toBe(8080);
  });

  it('takes a field in the place of its default and leaves the others', () => {
    const { timings } = parseOperatorConfig('timings: { recheck: 1s }', 'operator.yaml');
    expect(timingsOf({ timings })).toEqual({ ...defaultTimings, recheckMs: 1_000 });
  });

  it.each([
    ['timing: {}', 'config.timing is no field of the configuration of the operator', 'Did you mean timings?'],
    ['timings: { recheck: 5 }', 'config.timings.recheck must be text', 'docs/spec/operator/configuration.md'],
    ['timings: { recheck: "5" }', 'config.timings.recheck must be a duration', 'docs/spec/operator/configuration.md'],
    [
      'timings: { giveUp: 999999999d }',
      'config.timings.giveUp must be at most 1d',
      'docs/spec/operator/configuration.md',
    ],
    ['leaderElection: { leaseDuration: 61m }', 'config.leaderElection.leaseDuration must be at most 1h', 'docs/spec'],
    ['http: { silenceLimit: 25h }', 'config.http.silenceLimit must be at most 1d', 'docs/spec'],
    ['http: { port: -1 }', 'config.http.port must be at least 0', 'docs/spec/operator/configuration.md'],
    ['namespaces: [Prod]', 'config.namespaces[0] must be a name', 'docs/spec/operator/configuration.md'],
    ['image: "no image"', 'config.image must be an image', 'docs/spec/operator/configuration.md'],
    ['a: [', 'this is not YAML', 'Correct the text'],
    ['a: &a [1]\nb: *a', 'this is not YAML', 'Correct the text'],
  ])('refuses %j, and says what to do', async (text, sentence, hint) => {
    const fault = await refusal(text);
    expect(fault.reason).toBe('SpecInvalid');
    expect(fault.sentence).toContain(sentence);
    expect(fault.hint).toContain(hint);
  });
});
