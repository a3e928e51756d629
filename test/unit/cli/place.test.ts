import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import { createLogger } from '../../../src/base/log.ts';
import { openCluster } from '../../../src/cli/cluster-place.ts';
import { openPlace, type Place, type PlaceOptions, placeFlags } from '../../../src/cli/place.ts';

describe('the place of a command', () => {
  const opened: unknown[] = [];
  const place = { namespace: 'of-the-context' } as Place;
  const open = async (options: PlaceOptions, defaultHome?: string): Promise<{ namespace: string; what: unknown }> => {
    const { namespace } = await openPlace(options, {
      defaultHome,
      openHome: async (directory) => {
        opened.push({ home: directory });
        return place;
      },
      openCluster: async (cluster) => {
        opened.push(cluster);
        return place;
      },
    });
    return { namespace, what: opened.pop() };
  };

  it.each<[PlaceOptions, string | undefined, object]>([
    [{ home: '/h' }, undefined, { home: '/h' }],
    [{ home: '/h' }, '/default', { home: '/h' }],
    [{}, '/default', { home: '/default' }],
    [{}, undefined, {}],
    [{ context: 'c' }, '/default', { context: 'c' }],
    [{ kubeconfig: '/k', context: 'c' }, undefined, { kubeconfig: '/k', context: 'c' }],
  ])('named by %j, with $BACKSTAY_HOME %j, is %j', async (options, defaultHome, expected) => {
    expect((await open(options, defaultHome)).what).toEqual(expected);
  });

  it.each([{ context: 'c' }, { kubeconfig: '/k' }])('is not guessed when a home and %j are named', async (cluster) => {
    await expect(open({ home: '/h', ...cluster })).rejects.toMatchObject({ reason: 'Usage' });
    expect(opened).toEqual([]);
  });

  it('has the namespace that is named, or its own', async () => {
    expect((await open({ home: '/h', namespace: 'n' })).namespace).toBe('n');
    expect((await open({ home: '/h' })).namespace).toBe('of-the-context');
  });

  it('is named again by flags that can be typed', () => {
    expect(placeFlags({ home: "/srv/Ann's home", namespace: 'n' })).toBe(` --home '/srv/Ann'\\''s home' --namespace n`);
    expect(placeFlags({})).toBe('');
  });
});

describe('the cluster that nobody named', () => {
  let home: string;
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'backstay-user-'));
    mkdirSync(join(home, '.kube'));
    for (const name of ['config', 'one', 'two']) {
      const config = {
        'current-context': name,
        clusters: [{ name, cluster: { server: `https://${name}` } }],
        users: [{ name, user: { token: 't' } }],
        contexts: [{ name, context: { cluster: name, user: name, namespace: `of-${name}` } }],
      };
      writeFileSync(join(home, name === 'config' ? '.kube/config' : name), JSON.stringify(config));
    }
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  const at = (...names: string[]): string => names.map((name) => join(home, name)).join(delimiter);
  const open = (
    environment: Partial<Parameters<typeof openCluster>[0]['environment']>,
    flags: { kubeconfig?: string; context?: string } = {},
  ): string =>
    openCluster({
      ...flags,
      clock: systemClock,
      random: Math.random,
      log: createLogger('silent', process.stderr),
      environment: { kubeconfig: undefined, userHome: undefined, isPod: false, ...environment },
    }).namespace;

  it('is found as kubectl finds it', () => {
    expect(open({ userHome: home })).toBe('of-config');
    expect(open({ userHome: home, kubeconfig: at('one', 'two') })).toBe('of-one');
    expect(open({ userHome: home, kubeconfig: at('gone', 'two') })).toBe('of-two');
    expect(open({ kubeconfig: at('one', 'two') }, { context: 'two' })).toBe('of-two');
    expect(open({ userHome: home, kubeconfig: at('two') }, { kubeconfig: at('one') })).toBe('of-one');
  });

  it.each([
    ['there is nothing at all', {}, {}, /neither a home nor a cluster/],
    ['$KUBECONFIG names a file that is not there', { kubeconfig: '/no/such/file' }, {}, /there is no file \/no\/such/],
    ['the file of --kubeconfig is not there', {}, { kubeconfig: '/no/such/file' }, /cannot be read/],
    ['a context is named in a pod, which has none', { isPod: true }, { context: 'c' }, /neither a home nor a cluster/],
  ])('is a wrong command line when %s', (_, environment, flags, message) => {
    expect(() => open(environment, flags)).toThrow(
      expect.objectContaining({ reason: 'Usage', message: expect.stringMatching(message) }),
    );
  });
});
