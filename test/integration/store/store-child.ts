// Run as a process of its own by the tests of the filesystem driver: to be killed, to run out of space, to be refused.
import { systemClock } from '../../../src/base/clock.ts';
import { toFault } from '../../../src/base/fault.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { partBytes } from '../../../src/store/store.ts';

const [verb, path = '', key = ''] = process.argv.slice(2);
const store = openStore({ kind: 'filesystem', name: 'near', path }, { clock: systemClock });

/** Every object is this many bytes of one value, so that a reader can tell a whole one. */
async function* content(sizeBytes: number, value: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < sizeBytes; at += 1 << 20) yield Buffer.alloc(Math.min(1 << 20, sizeBytes - at), value);
}

async function run(): Promise<string> {
  switch (verb) {
    case 'write-for-ever':
      for (let i = 0; ; i += 1) {
        await store.write(`${key}/w-${i}`, content(partBytes + 12_345, i % 256));
        await store.create(`${key}/c-${i}`, Buffer.alloc(10_000, i % 256));
        process.stdout.write(`${i}\n`);
      }
    case 'write-big':
      return JSON.stringify(await store.write(key, content(64 << 20, 1)));
    case 'create':
      return store.create(key, Buffer.from('x'));
    default:
      throw new Error(`no such verb: ${verb}`);
  }
}

process.stdout.write(
  await run().catch((thrown: unknown) => {
    const { reason, where } = toFault(thrown);
    return `${reason} at ${where}`;
  }),
);
