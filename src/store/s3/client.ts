import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { partsInFlight } from '../store.ts';
import { ConnectionError } from './errors.ts';

export interface S3Config {
  kind: 's3';
  name: string;
  bucket: string;
  /** Everything lies below it; empty for the whole bucket. */
  prefix?: string;
  region?: string;
  /** Left out: Amazon's own. */
  endpoint?: string;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  forcePathStyle?: boolean;
  /** `WhenSupported` adds a CRC to every upload, which some stores refuse; SHA-256 of each part is signed either way. */
  requestChecksums?: 'WhenSupported' | 'WhenRequired';
  /** The only certificate authorities trusted for this store; left out: those that Node trusts. */
  caPem?: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** Everything that goes wrong below an answer of the store comes out as one class, its code kept. */
class Connections extends NodeHttpHandler {
  override async handle(...request: Parameters<NodeHttpHandler['handle']>): ReturnType<NodeHttpHandler['handle']> {
    try {
      return await super.handle(...request);
    } catch (thrown) {
      throw new ConnectionError(thrown);
    }
  }
}

/** Nothing here comes from the environment or from ~/.aws: a run must not depend on whose machine it is. */
export function createClient(config: S3Config): { client: S3Client; close: () => void } {
  const connections = { keepAlive: true, maxSockets: partsInFlight * 4 };
  const httpAgent = new HttpAgent(connections);
  const httpsAgent = new HttpsAgent({ ...connections, ...(config.caPem === undefined ? {} : { ca: config.caPem }) });
  const client = new S3Client({
    region: config.region || 'us-east-1',
    ...(config.endpoint ? { endpoint: config.endpoint } : {}),
    ignoreConfiguredEndpointUrls: true,
    forcePathStyle: config.forcePathStyle ?? false,
    credentials: {
      accessKeyId: config.accessKeyId,
      secretAccessKey: config.secretAccessKey,
      ...(config.sessionToken ? { sessionToken: config.sessionToken } : {}),
    },
    // Retry is ours (retry.ts): two layers would multiply.
    maxAttempts: 1,
    requestChecksumCalculation: config.requestChecksums === 'WhenSupported' ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED',
    // The manifest's SHA-256 is compared anyway, and a store's checksum of a range means nothing.
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Deadlines are set for each request by the driver.
    requestHandler: new Connections({ httpAgent, httpsAgent, connectionTimeout: 10_000 }),
  });
  return {
    client,
    close: () => {
      client.destroy();
      httpAgent.destroy();
      httpsAgent.destroy();
    },
  };
}
