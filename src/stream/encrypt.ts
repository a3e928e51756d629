import { randomBytes } from 'node:crypto';
import { makeHeader, payloadKey } from './age-header.ts';
import { chunkBytes, PayloadCipher } from './age-payload.ts';
import type { Bytes, Filter } from './bytes.ts';
import { gather } from './gather.ts';
import { type AfterCopy, release } from './release.ts';

/**
 * One age file (age-encryption.org/v1) around the bytes of `plain`, for X25519 `recipients`. `age -d` reads it. Throws
 * KeyInvalid. `afterCopy` says whether the chunks of `plain` are this reader's to free.
 */
export async function* encrypt(plain: Bytes, recipients: readonly string[], afterCopy: AfterCopy): Filter<void> {
  const { header, fileKey } = await makeHeader(recipients);
  const nonce = randomBytes(16);
  yield Buffer.concat([header, nonce]);
  const cipher = new PayloadCipher(payloadKey(fileKey, nonce));
  let heldBack: Buffer | undefined;
  let index = 0;
  for await (const chunk of gather(plain, chunkBytes, afterCopy)) {
    if (heldBack !== undefined) {
      yield cipher.seal(heldBack, index++, false);
      release(heldBack);
    }
    heldBack = chunk;
  }
  yield cipher.seal(heldBack!, index, true);
}
