import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { ObjectsError } from '../objects.ts';
import type { Kind, ObjectKey, Resource } from '../resource.ts';
import { makeDirectory, removeDurably, writeDurably } from './durable.ts';
import { refuseBadKey } from './names.ts';

/** `<objects>/<Kind>/<namespace>/<name>.json`. Writing belongs inside the home's lock, reading needs none. */
export interface ObjectFiles {
  /** Throws Invalid for a file that is not an object, such as one edited by hand. */
  read(kind: Kind, key: ObjectKey): Promise<Resource | undefined>;
  /** Files that are not objects are left out and logged once. */
  scan(kind: Kind): Promise<Resource[]>;
  write(object: Resource): Promise<void>;
  remove(kind: Kind, key: ObjectKey): Promise<void>;
}

/**
 * Times of files tick every few milliseconds: two versions written within one tick, the second in the inode of the
 * first, would look the same. A file this young is read each time.
 */
const settledMs = 1_000;

export function createObjectFiles(directory: string, clock: Clock, log: Logger): ObjectFiles {
  /** By path: a file's text is read again only when the file was replaced. */
  const parsed = new Map<string, { mark: string; object: Resource | undefined }>();

  function pathOf(kind: Kind, key: ObjectKey): string {
    refuseBadKey(key);
    return join(directory, kind, key.namespace, `${key.name}.json`);
  }

  async function scanFile(path: string): Promise<Resource | undefined> {
    const facts = await stat(path, { bigint: true }).catch(absent);
    if (facts === undefined) return undefined;
    const mark = `${facts.ino} ${facts.ctimeNs} ${facts.size}`;
    const cached = parsed.get(path);
    if (cached?.mark === mark) return cached.object;
    const object = await load(path).catch((error) => {
      log.warn({ file: path, err: error }, 'not an object; left out');
      return undefined;
    });
    if (clock.nowMs() - Number(facts.ctimeMs) > settledMs) parsed.set(path, { mark, object });
    return object;
  }

  return {
    read: async (kind, key) => load(pathOf(kind, key)),
    async scan(kind) {
      const found: Resource[] = [];
      const top = join(directory, kind);
      for (const namespace of await namesIn(top)) {
        for (const file of await namesIn(join(top, namespace))) {
          if (!file.endsWith('.json')) continue;
          const object = await scanFile(join(top, namespace, file));
          if (object !== undefined) found.push(structuredClone(object));
        }
      }
      return found;
    },
    async write(object) {
      const path = pathOf(object.kind, object.metadata);
      await makeDirectory(join(directory, object.kind, object.metadata.namespace));
      await writeDurably(path, `${JSON.stringify(object, undefined, 2)}\n`);
    },
    async remove(kind, key) {
      const path = pathOf(kind, key);
      parsed.delete(path);
      await removeDurably(path);
    },
  };
}

async function load(path: string): Promise<Resource | undefined> {
  const text = await readFile(path, 'utf8').catch(absent);
  if (text === undefined) return undefined;
  try {
    const object = JSON.parse(text) as Resource;
    if (typeof object.metadata.uid === 'string' && typeof object.metadata.resourceVersion === 'string') return object;
  } catch {
    // Falls through: one message for all that is not an object.
  }
  throw new ObjectsError('Invalid', `${path} is not an object of Backstay: correct or remove the file`);
}

/** In order, without the names that begin with a dot: those are being written. */
async function namesIn(directory: string): Promise<string[]> {
  const names = (await readdir(directory).catch(absent)) ?? [];
  return names.filter((name) => !name.startsWith('.')).sort();
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
