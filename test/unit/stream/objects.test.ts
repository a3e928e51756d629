import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Bytes } from '../../../src/stream/bytes.ts';
import { type DecodeOptions, decode, type StoredObject } from '../../../src/stream/decode.ts';
import type { ObjectDigests } from '../../../src/stream/digest.ts';
import { type EncodeOptions, encode } from '../../../src/stream/encode.ts';
import { generateIdentity, type Identity } from '../../../src/stream/identity.ts';
import { bytesOf, readAll, readUntilError, rows } from './bytes-of.ts';

const mib = 1024 * 1024;
let identity: Identity;
beforeAll(async () => {
  identity = await generateIdentity();
});

interface Written {
  name: string;
  stored: Buffer;
  expected: ObjectDigests;
}

type Choice = { algorithm: 'Zstd' | 'Gzip' | 'None'; encrypted: boolean };

function writing({ algorithm, encrypted }: Choice, objectBytes = 1024 * mib): EncodeOptions {
  return {
    compression: { algorithm },
    encryption: encrypted ? { algorithm: 'Age', recipients: [identity.recipient] } : { algorithm: 'None' },
    objectBytes,
  };
}

function reading({ algorithm, encrypted }: Choice): DecodeOptions {
  return {
    compression: { algorithm },
    encryption: encrypted ? { algorithm: 'Age', identities: [identity] } : { algorithm: 'None' },
  };
}

async function write(source: Bytes, options: EncodeOptions): Promise<Written[]> {
  const objects: Written[] = [];
  for await (const object of encode(source, options)) {
    const stored = await readAll(object.bytes);
    objects.push({ name: `data-${objects.length}`, stored, expected: await object.result });
  }
  return objects;
}

async function* stored(objects: Written[], chunkBytes = 65_536): AsyncGenerator<StoredObject> {
  for (const object of objects) yield { ...object, bytes: bytesOf(object.stored, chunkBytes) };
}

const choices: Choice[] = (['Zstd', 'Gzip', 'None'] as const).flatMap((algorithm) => [
  { algorithm, encrypted: true },
  { algorithm, encrypted: false },
]);
const anyChoice = fc.constantFrom(...choices);

describe('a stream cut into objects', () => {
  it('comes back as it was, whatever its size, its chunks, its compression and its encryption', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyChoice,
        fc.nat({ max: 200_000 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 100, max: 100_000 }),
        async (choice, bytes, writeChunk, readChunk) => {
          const content = rows(bytes, bytes + 1);
          const objects = await write(bytesOf(content, writeChunk), writing(choice));
          const outcome = await readUntilError(decode(stored(objects, readChunk), reading(choice)));
          expect(outcome.error).toBeUndefined();
          expect(outcome.bytes.equals(content)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each(choices)('is many objects, each complete in itself: %o', async (choice) => {
    const content = rows(18 * mib);
    const objectBytes = choice.algorithm === 'None' ? 8 * mib : 1.7 * mib;
    const objects = await write(bytesOf(content, 300_000), writing(choice, objectBytes));
    expect(objects.length).toBeGreaterThan(2);
    let at = 0;
    for (const object of objects) {
      // age adds 16 bytes to each 64 KiB, and its header.
      expect(object.stored.length).toBeLessThanOrEqual(objectBytes * 1.001);
      expect(object.expected.stored.bytes).toBe(object.stored.length);
      const alone = await readAll(decode(stored([object]), reading(choice)));
      expect(alone.equals(content.subarray(at, at + object.expected.plain.bytes))).toBe(true);
      at += object.expected.plain.bytes;
    }
    expect(at).toBe(content.length);
    expect((await readAll(decode(stored(objects), reading(choice)))).equals(content)).toBe(true);
  });

  it.each(choices)('is one object when it is empty: %o', async (choice) => {
    const objects = await write(bytesOf(Buffer.alloc(0)), writing(choice));
    expect(objects).toHaveLength(1);
    expect(objects[0]!.expected.plain.bytes).toBe(0);
    expect(await readAll(decode(stored(objects), reading(choice)))).toHaveLength(0);
  });

  it('must be read object by object', async () => {
    const objects = encode(bytesOf(rows(9 * mib)), writing({ algorithm: 'None', encrypted: false }, 4 * mib));
    await objects.next();
    await expect(objects.next()).rejects.toThrow('before the last one was read to its end');
  });

  it('is refused when there is nobody to encrypt to', async () => {
    const options = {
      ...writing({ algorithm: 'Zstd', encrypted: false }),
      encryption: { algorithm: 'Age', recipients: [] },
    } as const;
    await expect(write(bytesOf(rows(10)), options)).rejects.toMatchObject({ reason: 'KeyInvalid' });
  });
});

describe('a source whose chunks may be freed', () => {
  it.each(choices)('comes back as it was: %o', async (choice) => {
    const content = rows(9 * mib);
    const objects = await write(bytesOf(content), { ...writing(choice), sourceChunks: 'Free' });
    expect((await readAll(decode(stored(objects), reading(choice)))).equals(content)).toBe(true);
  });
});

describe('a damaged object', () => {
  it('with any one bit flipped gives DataCorrupt that names it, and never the end of its content', async () => {
    await fc.assert(
      fc.asyncProperty(anyChoice, fc.integer({ min: 1, max: 200_000 }), fc.nat(), async (choice, bytes, anyBit) => {
        const content = rows(bytes, 3);
        const objects = await write(bytesOf(content), writing(choice));
        const damaged = Buffer.from(objects[0]!.stored);
        const bit = anyBit % (damaged.length * 8);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        const outcome = await readUntilError(decode(stored([{ ...objects[0]!, stored: damaged }]), reading(choice)));
        expect(outcome.error).toMatchObject({ where: 'data-0' });
        // A flip in the age header can look like a newer format or another recipient.
        expect(['DataCorrupt', 'FormatNewer', 'WrongKey']).toContain((outcome.error as { reason: string }).reason);
        expect(outcome.bytes.length).toBeLessThan(content.length);
        if (choice.algorithm !== 'None' || choice.encrypted) {
          expect(outcome.bytes.equals(content.subarray(0, outcome.bytes.length))).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });

  describe.each(choices)('%o', (choice) => {
    const objects: Written[] = [];
    beforeAll(async () => {
      for (const [index, seed] of [5, 6].entries()) {
        const [object] = (await write(bytesOf(rows(9 * mib, seed)), writing(choice))) as [Written];
        objects.push({ ...object, name: `data-${index}` });
      }
    });
    const refusal = async (changed: Written[]) => readUntilError(decode(stored(changed), reading(choice)));

    it('swapped with another is refused', async () => {
      const [first, second] = objects as [Written, Written];
      const outcome = await refusal([{ ...first, stored: second.stored }]);
      expect(outcome.error).toMatchObject({ reason: 'DataCorrupt', where: 'data-0' });
      expect(outcome.bytes.length).toBeLessThan(first.expected.plain.bytes);
    });

    it('cut at any length is refused', async () => {
      const [first] = objects as [Written];
      for (const length of [0, 1, 20, 200, 70_000, first.stored.length - 17, first.stored.length - 1]) {
        const outcome = await refusal([{ ...first, stored: first.stored.subarray(0, length) }]);
        expect(outcome.error).toMatchObject({ reason: 'DataCorrupt', where: 'data-0' });
        expect(outcome.bytes.length).toBeLessThan(first.expected.plain.bytes);
      }
    });

    it('with something behind it is refused', async () => {
      const [first] = objects as [Written];
      const outcome = await refusal([{ ...first, stored: Buffer.concat([first.stored, Buffer.from('x')]) }]);
      expect(outcome.error).toMatchObject({ reason: 'DataCorrupt', message: expect.stringContaining('longer than') });
      expect(outcome.bytes.length).toBeLessThan(first.expected.plain.bytes);
    });

    it('whose content is not the one written is refused, although it was stored well', async () => {
      const [first] = objects as [Written];
      const plain = { ...first.expected.plain, sha256: '0'.repeat(64) };
      const outcome = await refusal([{ ...first, expected: { ...first.expected, plain } }]);
      expect(outcome.error).toMatchObject({
        reason: 'DataCorrupt',
        where: 'data-0',
        message: expect.stringContaining('content'),
      });
      expect(outcome.bytes.length).toBeLessThan(first.expected.plain.bytes);
    });

    it('stops the stream: nothing of the next one is opened', async () => {
      const opened: string[] = [];
      const [first, second] = objects as [Written, Written];
      async function* watched(): AsyncGenerator<StoredObject> {
        for (const object of [{ ...first, stored: first.stored.subarray(1) }, second]) {
          opened.push(object.name);
          yield { ...object, bytes: bytesOf(object.stored) };
        }
      }
      await expect(readAll(decode(watched(), reading(choice)))).rejects.toMatchObject({ where: 'data-0' });
      expect(opened).toEqual(['data-0']);
    });
  });

  it('cut at a border of frames, where the compressed stream looks whole, is refused by its length', async () => {
    const choice: Choice = { algorithm: 'Zstd', encrypted: false };
    const [object] = (await write(bytesOf(rows(9 * mib)), writing(choice))) as [Written];
    const [oneFrame] = (await write(bytesOf(rows(4 * mib)), writing(choice))) as [Written];
    expect(object.stored.subarray(0, oneFrame.stored.length).equals(oneFrame.stored)).toBe(true);
    // As if the store's own length and digest had been forged as well: what is inside still tells.
    const expected = { plain: object.expected.plain, stored: oneFrame.expected.stored };
    const outcome = await readUntilError(decode(stored([{ ...oneFrame, expected }]), reading(choice)));
    expect(outcome.error).toMatchObject({ reason: 'DataCorrupt', message: expect.stringContaining('were written') });
    expect(outcome.bytes.length).toBeLessThan(4 * mib);
  });

  it('encrypted to somebody else gives WrongKey, without a byte and without the secret', async () => {
    const choice: Choice = { algorithm: 'Zstd', encrypted: true };
    const objects = await write(bytesOf(rows(1000)), writing(choice));
    const other = await generateIdentity();
    const options = { ...reading(choice), encryption: { algorithm: 'Age', identities: [other] } } as const;
    const outcome = await readUntilError(decode(stored(objects), options));
    expect(outcome.error).toMatchObject({
      reason: 'WrongKey',
      where: 'data-0',
      hint: expect.stringContaining(other.recipient),
    });
    expect(outcome.bytes).toHaveLength(0);
    expect(JSON.stringify(outcome.error)).not.toContain('AGE-SECRET');
  });

  it('is opened by any one of several identities', async () => {
    const choice: Choice = { algorithm: 'Zstd', encrypted: true };
    const other = await generateIdentity();
    const both = { algorithm: 'Age', recipients: [other.recipient, identity.recipient] } as const;
    const objects = await write(bytesOf(rows(1000)), { ...writing(choice), encryption: both });
    for (const one of [other, identity]) {
      const options = { ...reading(choice), encryption: { algorithm: 'Age', identities: [one] } } as const;
      expect(await readAll(decode(stored(objects), options))).toEqual(rows(1000));
    }
  });
});

describe('a stream under way', () => {
  const choice: Choice = { algorithm: 'Zstd', encrypted: true };

  it('passes the error of its source on, to the reader and to the result', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield rows(5 * mib);
      throw new Error('the server went away');
    }
    for await (const object of encode(failing(), writing(choice))) {
      await expect(readAll(object.bytes)).rejects.toThrow('the server went away');
      await expect(object.result).rejects.toThrow('the server went away');
      break;
    }
  });

  it('never ends well when its source fails in the middle', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      for (let piece = 0; piece < 5; piece += 1) yield rows(4 * mib, piece);
      throw new Error('the server went away');
    }
    await expect(write(failing(), writing(choice, mib))).rejects.toThrow('the server went away');
  });

  it('closes a source that hangs when its reader leaves', async () => {
    const pipe = new PassThrough();
    const closed = once(pipe, 'close');
    pipe.write(rows(9 * mib));
    for await (const object of encode(pipe, writing(choice))) {
      for await (const _ of object.bytes) break;
      await expect(object.result).rejects.toThrow('the reader left');
      break;
    }
    await closed;
  });

  it('ends at once with the reason of an abort, even when its source hangs', async () => {
    const pipe = new PassThrough();
    const closed = once(pipe, 'close');
    const stop = new AbortController();
    pipe.write(rows(mib));
    const written = write(pipe, { ...writing(choice), signal: stop.signal });
    stop.abort(new Error('stopped by the user'));
    await expect(written).rejects.toThrow('stopped by the user');
    await closed;
  });

  it('ends reading at once with the reason of an abort, even when the store hangs', async () => {
    const pipe = new PassThrough();
    const closed = once(pipe, 'close');
    const stop = new AbortController();
    const [object] = (await write(bytesOf(rows(9 * mib)), writing(choice))) as [Written];
    pipe.write(object.stored.subarray(0, 1000));
    async function* hanging(): AsyncGenerator<StoredObject> {
      yield { ...object, bytes: pipe };
    }
    const read = readAll(decode(hanging(), { ...reading(choice), signal: stop.signal }));
    stop.abort(new Error('stopped by the user'));
    await expect(read).rejects.toThrow('stopped by the user');
    await closed;
  });

  it('reads only a few frames ahead of a reader that waits', async () => {
    let given = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for (; given < 100; given += 1) yield rows(4 * mib);
    }
    const objects = encode(counted(), { ...writing(choice), framesInFlight: 3 });
    const { value: object } = await objects.next();
    const bytes = object!.bytes[Symbol.asyncIterator]();
    for (let chunk = 0; chunk < 5; chunk += 1) await bytes.next();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(given).toBeLessThanOrEqual(5);
    await objects.return();
  });
});
