import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/clock.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { startS3FaultProxy } from '../../harness/s3-fault-proxy.ts';
import { startS3Server } from '../../harness/versitygw.ts';
import { describeConformance, seedFiles, unfinishedUploads } from './conformance.ts';

describeConformance('S3', async () => {
  const server = await startS3Server();
  server.makeBucket('bucket');
  const config = server.config('bucket', { prefix: '/prod/shop ünit/' });
  const store = openStore(config, { clock: systemClock });
  return {
    store,
    unfinished: () => unfinishedUploads(server, 'bucket'),
    seed: (keys) => seedFiles(join(server.dataDir, 'bucket', 'prod/shop ünit'), keys),
    stop: async () => {
      await store.close();
      await server.stop();
    },
  };
});

describeConformance('an S3 without conditional writes', async () => {
  const server = await startS3Server();
  server.makeBucket('bucket');
  const proxy = await startS3FaultProxy(server);
  // The server keeps the first of two writes; taking the first away makes it a server that keeps the last.
  proxy.rule = (seen) => {
    if (seen.headers['if-none-match'] === '*') {
      rmSync(join(server.dataDir, decodeURIComponent(new URL(seen.url, 'http://x').pathname)), { force: true });
    }
    return undefined;
  };
  const config = server.config('bucket', { endpoint: proxy.endpoint });
  const store = openStore(config, { clock: systemClock });
  return {
    store,
    unfinished: () => unfinishedUploads(server, 'bucket'),
    seed: (keys) => seedFiles(join(server.dataDir, 'bucket'), keys),
    stop: async () => {
      await store.close();
      await proxy.stop();
      await server.stop();
    },
  };
});
