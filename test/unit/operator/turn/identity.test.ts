import { describe, expect, it } from '@jest/globals';
import { serverIdentity, storeIdentity } from '../../../../src/operator/turn/identity.ts';

const inCluster = (address: object) => serverIdentity({ port: 5432, ...address }, 'prod', 'kubernetes');
const onMachine = (host: string) => serverIdentity({ host, port: 5432 }, 'default', 'standalone');

describe('the word for a server', () => {
  it.each([
    { host: 'shop' },
    { host: 'shop.prod' },
    { host: 'SHOP.prod.svc.' },
    { host: 'shop.prod.svc.cluster.local' },
  ])('is in a cluster the same for the Service shop and for %p', (address) => {
    expect(inCluster(address)).toBe(inCluster({ service: 'shop' }));
  });

  it('tells namespaces, ports and hosts apart', () => {
    const words = [
      inCluster({ service: 'shop' }),
      inCluster({ service: 'shop', port: 5433 }),
      serverIdentity({ service: 'shop', port: 5432 }, 'test', 'kubernetes'),
      inCluster({ host: 'db.example.com' }),
      inCluster({ host: '10.0.0.7' }),
      inCluster({ host: 'fd00::7' }),
      // A Service called svc is not the suffix.
      inCluster({ host: 'shop.svc' }),
    ];
    expect(new Set(words).size).toBe(words.length);
  });

  it('is on a machine the same for every name of the machine itself', () => {
    expect(onMachine('127.0.0.1')).toBe(onMachine('LOCALHOST'));
    expect(onMachine('::1')).toBe(onMachine('localhost'));
    expect(onMachine('db')).not.toBe(onMachine('localhost'));
  });
});

describe('the word for a store', () => {
  const s3 = (more: object) =>
    storeIdentity({ stores: [{ name: 'a', s3: { bucket: 'acme', ...more } }] } as never, 'prod');
  const filesystem = (more: object, namespace = 'prod') =>
    storeIdentity({ stores: [{ name: 'a', filesystem: more }] } as never, namespace);

  it('is one for all prefixes of a bucket, and one for each bucket and endpoint', () => {
    expect(s3({ prefix: 'a' })).toBe(s3({ prefix: 'b' }));
    expect(s3({ endpoint: 'https://S3.example.com/' })).toBe(s3({ endpoint: 'https://s3.example.com' }));
    expect(new Set([s3({}), s3({ bucket: 'other' }), s3({ endpoint: 'https://s3.example.com' })]).size).toBe(3);
  });

  it('tells claims of two namespaces apart', () => {
    expect(filesystem({ claimName: 'a' })).not.toBe(filesystem({ claimName: 'a' }, 'test'));
    expect(filesystem({ path: '/a' })).not.toBe(filesystem({ path: '/b' }));
  });
});
