import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { Fault } from '../../../src/base/fault.ts';
import { createLogger, type Logger } from '../../../src/base/log.ts';
import { redactText } from '../../../src/base/redact.ts';

const secret = 'S3cr3t/Word+9';

function written(write: (log: Logger) => void): string {
  let text = '';
  const take = (line: string): void => {
    text += line;
  };
  write(createLogger('debug', { write: take }));
  return text;
}
const line = (write: (log: Logger) => void) => JSON.parse(written(write)) as Record<string, unknown>;

describe('a log line', () => {
  it('says level, time, object and message, and of an error what leads to its cause', () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const fault = new Fault('StoreUnreachable', 'no answer', { where: 's3://acme/shop', cause });
    const { time, ...rest } = line((log) => log.warn({ object: 'prod/shop', uid: 'u1', err: fault }, 'run failed'));
    expect(time).toMatch(/^\d{4}-.*Z$/);
    expect(rest).toMatchObject({
      level: 'warn',
      object: 'prod/shop',
      uid: 'u1',
      msg: 'run failed',
      err: {
        type: 'Fault',
        reason: 'StoreUnreachable',
        where: 's3://acme/shop',
        message: 'no answer',
        stack: expect.stringContaining('log.test'),
        cause: { type: 'Error', code: 'ECONNREFUSED' },
      },
    });
  });

  it('has no field whose name says secret, at any depth and in any spelling', () => {
    const names = [
      'password',
      'PGPASSWORD',
      'secretAccessKey',
      'secret_access_key',
      'Authorization',
      'x-amz-security-token',
      'set-cookie',
      'identity',
      'privateKey',
      'credentials',
      'accessKeyId',
    ];
    for (const name of names) {
      const text = written((log) => log.info({ a: { b: [{ c: { d: { [name]: secret } } }] }, [name]: secret }, 'x'));
      expect([name, text.includes(secret)]).toEqual([name, false]);
    }
    expect(line((log) => log.info({ secretName: 'shop-backup', accessKeyIdKey: 'id' }, 'x'))).toMatchObject({
      secretName: 'shop-backup',
      accessKeyIdKey: 'id',
    });
  });

  it.each([
    `postgres://shop:${secret}@db:5432/shop`,
    `https://user:pa@${secret}@proxy:3128 refused`,
    `GET /x?X-Amz-Signature=${secret}&y=1`,
    `AWS4-HMAC-SHA256 Credential=AKIA, SignedHeaders=host, Signature=${secret}`,
    `authorization: Bearer ${secret}`,
    `Basic ${secret}`,
    `PGPASSWORD=${secret} pg_dump`,
    `password='${secret}' host=db`,
    `{"password": "${secret}"}`,
    `{\\"secretAccessKey\\":\\"${secret}\\"}`,
    `AGE-SECRET-KEY-1${'Q'.repeat(58)}${secret}`.slice(0, 74),
    `-----BEGIN RSA PRIVATE KEY-----\n${secret}\n-----END RSA PRIVATE KEY-----`,
    `-----BEGIN PRIVATE KEY-----\n${secret}`,
  ])('has no secret that lies in a text such as %s', (text) => {
    const wrapped = new Error(`outer: ${text}`, { cause: new AggregateError([new Error(text)], text) });
    const all = [
      written((log) => log.info(text)),
      written((log) => log.info({ deep: [text] }, text)),
      written((log) => log.error(wrapped)),
      written((log) => log.error({ err: wrapped })),
      written((log) => log.error({ error: { cause: wrapped }, lines: [[text]] }, 'x')),
    ].join('');
    expect([all.includes(secret), all.includes('QQQQ')]).toEqual([false, false]);
    for (const one of all.trim().split('\n')) JSON.parse(one);
  });

  it('says nothing of the request that an error of the AWS SDK holds', async () => {
    const client = new S3Client({
      region: 'us-east-1',
      endpoint: 'http://127.0.0.1:1',
      maxAttempts: 1,
      credentials: { accessKeyId: 'AKIAABCDEFGHIJKLMNOP', secretAccessKey: secret, sessionToken: secret },
    });
    const error = await client.send(new ListObjectsV2Command({ Bucket: 'acme' })).catch((thrown: unknown) => thrown);
    client.destroy();
    Object.assign(error as object, { $response: { headers: { authorization: secret } }, config: { password: secret } });
    const text = written((log) => log.warn({ err: new Fault('StoreUnreachable', 'x', { cause: error }) }, 'again'));
    expect(text).toContain('ECONNREFUSED');
    expect(text).not.toContain(secret);
    expect(text).not.toContain('AKIA');
  });

  it('says nothing of the rows and the connection that an error of pg holds', async () => {
    const client = new pg.Client({
      connectionString: `postgres://shop:${encodeURIComponent(secret)}@127.0.0.1:1/shop`,
    });
    const refused = await client.connect().catch((thrown: unknown) => thrown);
    const database = Object.assign(new pg.DatabaseError('duplicate key', 10, 'error'), {
      code: '23505',
      detail: `Key (token)=(${secret}) already exists.`,
      internalQuery: `ALTER ROLE shop PASSWORD '${secret}'`,
      client,
    });
    const text = written((log) => log.error({ err: new Error('dump', { cause: database }), refused }, 'x'));
    expect(text).toContain('23505');
    expect(text).toContain('ECONNREFUSED');
    expect(text).not.toContain(secret);
  });

  it('is written whatever it is given, and is never longer than a screen', () => {
    const circle: Record<string, unknown> = { big: 10n, bytes: Buffer.from(secret), call: () => 1, none: undefined };
    circle['self'] = circle;
    Object.defineProperty(circle, 'trap', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    const text = written((log) => log.info({ circle, junk: 'x'.repeat(1_000_000) }, 'y'.repeat(1_000_000)));
    expect(text.length).toBeLessThan(12_000);
    expect(JSON.parse(text)).toMatchObject({
      circle: { big: '10', bytes: `[${secret.length} bytes]`, trap: '[unreadable]' },
    });
    fc.assert(fc.property(fc.anything(), (thing) => void JSON.parse(written((log) => log.info({ thing }, 'x')))));
  });

  it('has no half of a secret that its longest length cuts through', () => {
    for (let length = 3_950; length < 4_010; length++) {
      const text = `${'x '.repeat(length / 2)}postgres://shop:${secret}@db`;
      expect(written((log) => log.info(text))).not.toContain(secret.slice(0, 4));
    }
  });

  it('keeps what people need: images by digest, addresses, times, hints', () => {
    for (const text of [
      'image docker.io/library/postgres@sha256:abc is not allowed',
      'https://s3.example.com:9000/acme/prod answered 503',
      'Secret "shop-backup" has no key "password": create it',
      'the token of the list expired',
      'basic auth',
    ])
      expect(redactText(text)).toBe(text);
  });
});
