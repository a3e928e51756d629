import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { systemClock } from '../../../src/base/clock.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { describeConformance, seedFiles } from './conformance.ts';

describeConformance('a directory', async () => {
  const path = await mkdtemp(join(tmpdir(), 'backstay-store-'));
  return {
    store: openStore({ kind: 'filesystem', name: 'near', path }, { clock: systemClock }),
    unfinished: async () =>
      (await readdir(path, { recursive: true })).filter((file) => basename(file).startsWith('.backstay-tmp-')),
    seed: (keys) => seedFiles(path, keys),
    stop: () => rm(path, { recursive: true, force: true }),
  };
});
