import { Fault } from '../../base/fault.ts';
import type { Bytes } from '../../stream/bytes.ts';
import type { Dump, DumpResult, ServerAccess, ServerFacts, Steps } from '../engine.ts';
import { openConnection } from './connection.ts';
import { countRows, describeContents } from './contents.ts';
import { toolFault } from './faults.ts';
import { lockAndExportSnapshot, lockWaitMs } from './snapshot.ts';
import { checkToolVersion, ownWordsOf, toolConnection, toolEnv, toolVersion } from './tool.ts';

/** The custom format begins with this; a stream that does not is no dump, whatever the tool's exit code says. */
const magic = Buffer.from('PGDMP');

/**
 * pg_dump under a snapshot that this session exports, so that the rows counted here are the rows in the dump. The
 * session stays open until the dump is closed: without it the snapshot would be gone. It waits at most `waitMs` for a
 * table that somebody has locked, and pg_dump as long again; then it is TableLocked.
 */
export async function beginDump(
  access: ServerAccess,
  facts: ServerFacts,
  database: string,
  steps: Steps,
  signal: AbortSignal,
  waitMs = lockWaitMs,
): Promise<Dump> {
  const version = await toolVersion('pg_dump', steps, signal);
  checkToolVersion('pg_dump', version, facts);
  const target = await toolConnection(access, database, steps, signal);
  const connection = await openConnection(access, database, signal);
  try {
    const { snapshot, tables, ...moment } = await lockAndExportSnapshot(connection, waitMs);
    const contents = await describeContents(connection, database);
    const { promise: result, resolve, reject } = Promise.withResolvers<DumpResult>();
    result.catch(() => {});
    // Without a limit it could wait for ever: for an ALTER TABLE that waits for the lock of this very session.
    const limits = [`--snapshot=${snapshot}`, `--lock-wait-timeout=${waitMs}`];
    const args = ['pg_dump', '--format=custom', '--compress=0', '--no-password', ...limits];
    const stopped = new AbortController();
    const read = (): Bytes =>
      steps.read([...args, `--dbname=${target}`], {
        signal: AbortSignal.any([signal, stopped.signal]),
        env: toolEnv,
        wordsOf: ownWordsOf,
      });

    async function* stream(): AsyncGenerator<Uint8Array, void, undefined> {
      // Beside the dump, not before it: counting a large database takes minutes.
      const counting = countRows(connection, tables);
      counting.catch((thrown) => stopped.abort(thrown));
      try {
        yield* checkMagic(read());
        resolve({ toolVersion: version, ...moment, details: { ...contents, tables: await counting } });
      } catch (thrown) {
        const fault = toolFault(thrown, access);
        reject(fault);
        throw fault;
      } finally {
        reject(new Error('the dump was left before its end'));
      }
    }
    return { tool: 'pg_dump', extension: 'pgdump', bytes: stream(), result, close: () => connection.close() };
  } catch (thrown) {
    await connection.close();
    throw thrown;
  }
}

async function* checkMagic(bytes: Bytes): AsyncGenerator<Uint8Array, void, undefined> {
  let begin = Buffer.alloc(0);
  for await (const chunk of bytes) {
    if (begin.length < magic.length) {
      begin = Buffer.concat([begin, chunk.subarray(0, magic.length - begin.length)]);
      if (!magic.subarray(0, begin.length).equals(begin)) {
        throw new Fault('ToolFailed', 'what pg_dump wrote is not a dump in the custom format');
      }
    }
    yield chunk;
  }
  if (begin.length < magic.length) throw new Fault('ToolFailed', 'pg_dump ended well and wrote nothing');
}
