import { describe, expect, it } from '@jest/globals';
import { readOperatorConfig } from '../../../src/cli/operator-config.ts';

const file = 'image: backstay:1\nlogLevel: warn\nnamespaces: [one]\n';
const read = (): string => file;

describe('the settings of the operator, from file and flags', () => {
  it('takes a flag in the place of what the file says', () => {
    const config = readOperatorConfig(
      { config: 'f', image: 'backstay:2', logLevel: 'debug', namespace: ['two', 'three'] },
      read,
    );
    expect(config).toMatchObject({ image: 'backstay:2', logLevel: 'debug', namespaces: ['two', 'three'] });
  });

  it('takes the file where no flag is given', () => {
    expect(readOperatorConfig({ config: 'f' }, read)).toMatchObject({
      image: 'backstay:1',
      logLevel: 'warn',
      namespaces: ['one'],
    });
  });

  it('names a namespace once, however often file or flags do: each is listed and watched by itself', () => {
    const twice = () => 'image: backstay:1\nnamespaces: [one, two, one]\n';
    expect(readOperatorConfig({ config: 'f' }, twice).namespaces).toEqual(['one', 'two']);
    expect(readOperatorConfig({ config: 'f', namespace: ['a', 'a'] }, read).namespaces).toEqual(['a']);
  });

  it('needs no file', () => {
    expect(readOperatorConfig({ image: 'backstay:2' }, () => '')).toMatchObject({
      image: 'backstay:2',
      namespaces: [],
    });
  });

  it('refuses to guess the image', () => {
    expect(() => readOperatorConfig({}, read)).toThrow('the image that Jobs run is not named');
  });
});
