import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parse, stringify } from 'yaml';
import { redact } from '../../../src/cli/report/redact.ts';

const secret = 's3cr3t-of-somebody-77';

describe('a report', () => {
  it.each<[string, unknown]>([
    ['a field called password', { password: secret }],
    ['a field called SECRET_ACCESS_KEY, deep inside', { a: [{ SECRET_ACCESS_KEY: secret }] }],
    ['a variable of a container', { env: [{ name: 'PGPASSWORD', value: secret }] }],
    ['a variable with a prefix', { env: [{ name: 'DB_TOKEN', value: secret }] }],
    ['a password in a URL', { message: `cannot reach postgres://ann:${secret}@db:5432/shop` }],
    ['key=value in a log line', `connect host=db password=${secret} user=ann`],
    ['a value in quotes', `password: "${secret}"`],
    ['JSON in a log line', `{"msg":"x","password":"${secret}","n":1}`],
    ['JSON in JSON', JSON.stringify({ msg: JSON.stringify({ secretAccessKey: secret }) })],
    ['a header', `Authorization: Bearer ${secret}`],
    ['a header of curl', `-H "authorization: Basic ${secret}"`],
    ['the copy that kubectl leaves', { annotations: { 'kubectl.kubernetes.io/last-applied-configuration': secret } }],
    ['a private key', `-----BEGIN EC PRIVATE KEY-----\n${secret}\n-----END EC PRIVATE KEY-----`],
    ['half of a private key', `-----BEGIN PRIVATE KEY-----\n${secret}`],
    ['a token of a service account', `eyJhbGciOiJSUzI1NiJ9.${secret}.${secret}`],
  ])('does not show %s', (_, value) => {
    expect(JSON.stringify(redact(value))).not.toContain(secret);
  });

  it.each(['AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGP', 'age-secret-key-pq-1qyqszqgpqyqsz', 'AKIAIOSFODNN7EXAMPLE'])(
    'does not show %s, wherever it stands',
    (key) => {
      fc.assert(
        fc.property(fc.string(), fc.string(), (before, after) => {
          expect(redact(`${before} ${key} ${after}`)).not.toContain(key);
        }),
      );
    },
  );

  it('shows what helps: names of secrets, keys in them, recipients and messages', () => {
    const policy = {
      spec: {
        target: { credentials: { backup: { secretName: 'shop-backup', passwordKey: 'password' } } },
        encryption: { age: { recipients: ['age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p'] } },
      },
      status: { message: 'the secret shop-backup has no key password' },
    };
    expect(redact(policy)).toEqual(policy);
  });

  it('is still YAML, whatever was in it', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => expect(() => parse(stringify(redact({ value })))).not.toThrow()));
  });
});
